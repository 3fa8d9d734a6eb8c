/* Linked into the programs of the tests in a sanitizer build. They leave memory to the end of their
   process, and some die by a signal on purpose, which is to be seen as such. The daemons and the
   launcher have no such excuse.

   The C library unwinds a cancelled thread past AddressSanitizer: the stack keeps the marks of
   frames that have gone, and a cleanup handler that comes to stand there is blamed for them. With
   detect_stack_use_after_return variables live in frames of the sanitizer's own, not there. */
const char* __asan_default_options(void);

const char* __asan_default_options(void) {
  return "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0:"
         "detect_stack_use_after_return=1";
}
