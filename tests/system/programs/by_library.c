// Calls gallocy by a library only.
int write_and_read(void);

int main(void) { return write_and_read(); }
