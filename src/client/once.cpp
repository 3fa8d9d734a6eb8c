// gallocy_pthread_once: a mutex by the address of the control, around a word that says whether the
// function has returned. Who gets the mutex looks at the word again, so a stale look costs one
// request and nothing else.
//
// The function may end by an exception, a cancellation or pthread_exit: then the mutex goes to the
// next, who finds the word as it was. This library has no exceptions and nothing of libgcc, so it
// cannot be entered by the unwinder as a C++ frame with a destructor is. But the unwinder asks the
// *personality* of every frame that it passes what to do there, and ours does it by itself.
#include <unwind.h>

#include "client/sync.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace gallocy::client {

// On the stack of gallocy_pthread_once; innermost first, as they are unwound.
struct OnceCall {
  pthread_once_t* control;
  OnceCall* outer;
};

}  // namespace gallocy::client

namespace {

constexpr std::uint32_t done_word = 2;

Object object_of(const pthread_once_t* control) { return {"once control", control}; }

bool is_done(const pthread_once_t* control) {
  return __atomic_load_n(control, __ATOMIC_ACQUIRE) == static_cast<int>(done_word);
}

int end_call() {
  OnceCall& call = *self.once_call;
  self.once_call = call.outer;
  return ask(object_of(call.control), SyncOperation::give, SyncKind::error_check);
}

}  // namespace

extern "C" {

_Unwind_Reason_Code gallocy_once_personality(int, _Unwind_Action actions, _Unwind_Exception_Class,
                                             _Unwind_Exception*, _Unwind_Context*) {
  if ((actions & _UA_CLEANUP_PHASE) != 0) end_call();
  return _URC_CONTINUE_UNWIND;
}

// Calls the function from a frame that has this personality. 0x1b: its address is given relative
// to where that stands, in 4 bytes.
void gallocy_call_with_personality(void (*function)());
asm(R"(
.pushsection .text
.hidden gallocy_call_with_personality
.globl gallocy_call_with_personality
.type gallocy_call_with_personality, @function
gallocy_call_with_personality:
.cfi_startproc
.cfi_personality 0x1b, gallocy_once_personality
  subq $8, %rsp
.cfi_adjust_cfa_offset 8
  call *%rdi
  addq $8, %rsp
.cfi_adjust_cfa_offset -8
  ret
.cfi_endproc
.size gallocy_call_with_personality, . - gallocy_call_with_personality
.popsection
)");

}  // extern "C"

int gallocy_pthread_once(pthread_once_t* control, void (*function)()) {
  const ErrnoKeeper keeper;
  if (auto status = check_place("once control", control); !status) return report(status);
  if (function == nullptr) return report(Error{EINVAL, Sentence("there is no function to call")});
  if (is_done(control)) return 0;
  if (first_word(control) != PTHREAD_ONCE_INIT) return report(not_initialised(object_of(control)));
  const int error = ask(object_of(control), SyncOperation::take, SyncKind::error_check);
  if (error != 0) return error;
  OnceCall call{control, self.once_call};
  self.once_call = &call;
  if (!is_done(control)) {
    gallocy_call_with_personality(function);
    __atomic_store_n(control, static_cast<int>(done_word), __ATOMIC_RELEASE);
  }
  return end_call();
}
