#include "base/check.hpp"

#include <stdlib.h>
#include <unistd.h>

#include "base/text.hpp"

namespace gallocy {
namespace {

CheckHook g_hook = nullptr;
void* g_context = nullptr;

}  // namespace

void set_check_hook(CheckHook hook, void* context) {
  g_hook = hook;
  g_context = context;
}

void check_failed(const char* file, int line, const char* expression, const CheckValue* values,
                  unsigned value_count) {
  FixedText<1024> text("gallocy: check failed: ", expression, " at ", file, ":", line);
  for (unsigned i = 0; i < value_count; ++i)
    text.append(i == 0 ? " with " : ", ", values[i].name, " = ", Hex{values[i].value});
  text.append("\n");
  [[maybe_unused]] const auto written = ::write(2, text.c_str(), text.view().size());
  // A hook that itself fails a check must not recurse.
  if (CheckHook hook = g_hook; hook != nullptr) {
    g_hook = nullptr;
    hook(g_context);
  }
  abort();
}

}  // namespace gallocy
