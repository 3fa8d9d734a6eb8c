// Bugs outside core that the tests on real clusters must find (tests/litmus/planted.py). As
// core/planted.hpp does it: gallocyd has none of them, since planted() is false there before
// anything is compiled; gallocyd-planted has one, which the environment names when it starts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace gallocy::uffd {

enum class Bug : std::uint8_t {
  none,
  send_before_protect,           // a page is sent, and then protected: for 0.3 ms it is written
  wake_without_install,          // bytes that came are left out, and who waits for them is woken
  continue_without_protection,   // a frame is mapped without the write-protect mode
  stale_unprotect,               // a write is allowed without a look at the state of the page
  acknowledge_before_unmapping,  // a page is dropped when the daemon has something else to do
};

#ifdef GALLOCY_PLANTED
inline Bug planted_bug = Bug::none;
inline bool planted(Bug bug) { return planted_bug == bug; }

// False: there is none of that name.
inline bool plant(std::string_view name) {
  constexpr std::array names = {"none", "send_before_protect", "wake_without_install",
                                "continue_without_protection", "stale_unprotect",
                                "acknowledge_before_unmapping"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name != names[i]) continue;
    planted_bug = static_cast<Bug>(i);
    return true;
  }
  return false;
}
#else
consteval bool planted(Bug) { return false; }
#endif

}  // namespace gallocy::uffd
