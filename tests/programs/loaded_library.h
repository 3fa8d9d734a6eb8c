// What the program and the libraries that it loads at run time (libraries.c) know of each other.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct loaded {  // linked by constructors into a list of the program's
  const char* name;
  struct loaded* next;
};
extern struct loaded* loaded_list;

int needed_number(void);
int needed_count(const char* word);

#ifdef __cplusplus
}
#endif
