// What its constructor has mapped and set.
#pragma once

extern char* early_pages;  // 5 of them
extern const char* early_file;
extern _Thread_local int early_number;  // 5 in new threads, 50 in main()
extern _Thread_local char early_text[32];

int early_own(void);  // thread_local as well: 6, 60
