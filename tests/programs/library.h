extern int library_numbers[8];
extern const char* library_text;
void library_add(int index, int value);
int library_calls(void);
int* library_own(void);  // a thread-local variable of the library
