#include "run/libraries.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <string_view>

#include "run/child.hpp"
#include "run/watch.hpp"

namespace gallocy::run {

namespace {

constexpr int list_limit_ms = 5'000;  // of files on a disk

// False: the time was over first.
bool await(int fd, Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd entry{fd, POLLIN, 0};
  return left > 0 && ::poll(&entry, 1, static_cast<int>(left)) > 0;
}

// All that it writes, or what it has written in time.
std::string read_all(int fd, Deadline deadline) {
  std::string text;
  char buffer[4096];
  while (await(fd, deadline)) {
    const auto count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace

// Each line of the list begins with a tab and the name, as the object that needs it has it.
Try<bool> loads_libgallocy(const std::string& dynamic_linker, const std::string& path,
                           const Environment& environment) {
  auto pipe = make_pipe();
  if (!pipe) return tl::unexpected<Refusal>(pipe.error());
  const UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  ChildPlan plan;
  plan.path = dynamic_linker;
  plan.arguments = {dynamic_linker, "--list", path};
  plan.environment = environment;
  plan.input_fd = plan.error_fd = null.get();
  plan.output_fd = pipe->write_end.get();
  auto linker = Child::start(plan);
  if (!linker) return tl::unexpected<Refusal>(linker.error());
  pipe->write_end.reset();
  const Deadline deadline = in_ms(list_limit_ms);
  const std::string list = read_all(pipe->read_end.get(), deadline);
  await(linker->pidfd(), deadline);
  linker->send(SIGKILL);  // if it is not done by now
  await(linker->pidfd(), in_ms(list_limit_ms));
  linker->try_reap();  // what does not end even so, on a sick disk, is left behind
  return list.find("\tlibgallocy.so") != list.npos;
}

}  // namespace gallocy::run
