#include "preload/explain.hpp"

#include <unistd.h>

#include "preload/early_maps.hpp"

namespace gallocy::preload {

namespace {

constinit bool g_is_asked = false;

template <class... Parts>
void tell(const Parts&... parts) {
  const FixedText<320> line("gallocy: ", parts..., "\n");
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.c_str(), line.view().size());
}

void tell_shared(std::string_view what, const Range& range) {
  if (range.size_bytes() == 0) return;
  tell("shared: ", what, ", ", range.size_bytes() / 1024, " KiB of data at ", Hex{range.begin});
}

void explain_object(const Object& object) {
  const char* name = object.name[0] != '\0' ? object.name : "an object without a name";
  switch (object.sharing) {
    case Sharing::shared:
      for (const Range& range : object.writable) tell_shared(name, range);
      return;
    case Sharing::nothing_to_share:
      return tell("local: ", name, ", which has no data that change after its loading");
    case Sharing::c_core:
      return tell("local: ", name, ", which belongs to the C core that each rank has for itself");
    case Sharing::gallocy: return tell("local: ", name, ", which is gallocy's own");
  }
}

}  // namespace

void explain(const Machine& machine, std::span<const Object> objects, const arena::Used& used) {
  g_is_asked = true;
  tell("compared on all ranks: CPU x86-64-v", cpu_level(machine), " and its features, pages of ",
       machine.page_bytes, " bytes, limits, ", objects.size(),
       " objects with build-id and address");
  for (const Object& object : objects) explain_object(object);
  tell_shared("what libraries allocated before main()",
              {used.address, used.address + used.size_bytes});
  for (const EarlyMap& map : early_maps())
    tell_shared("what libraries mapped before main()", map.range);
}

void explain_later(const Object& library) {
  if (g_is_asked) explain_object(library);
}

}  // namespace gallocy::preload
