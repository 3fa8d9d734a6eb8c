// gallocy-run -n 2 --spmd: windows that are none, and ranks that lie about theirs.
//
//   bad_windows refuse   what is no window is refused and leaves everything as it was
//   bad_windows lie      rank 0 says that pages are where it has mapped something else, or nothing;
//                        rank 1 changes the pages all the while
//   bad_windows touch    a thread goes on at an own address, against the rule, and gets SIGSEGV
#include <fcntl.h>
#include <sys/mman.h>

#include "client/process.hpp"
#include "uffd/abi.hpp"
#include "uffd/region.hpp"
#include "window_support.hpp"

using namespace gallocy;
using namespace windows_test;

namespace {

constexpr std::size_t page_count = 8;
alignas(4096) char g_data[page_count * PAGE] = {'i'};

int map_bad(std::uint64_t address, std::uint64_t size_bytes, std::uint64_t own) {
  const auto status = client::map_window(address, size_bytes, own);
  REQUIRE(!status && status.error().sentence.view().size() > 10);
  return status.error().code;
}
int tell(std::uint64_t address, std::uint64_t size_bytes, std::uint64_t own) {
  return client::process.ring.call(ipc::Operation::window, address, size_bytes, own).status;
}

char* mapped(int fd, std::size_t size_bytes, int protection = PROT_READ | PROT_WRITE) {
  const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* place = mmap(nullptr, size_bytes, protection, flags, fd, 0);
  REQUIRE(place != MAP_FAILED);
  return static_cast<char*>(place);
}

UniqueFd memory_file(std::size_t size_bytes) {
  UniqueFd file(memfd_create("test", MFD_CLOEXEC));
  REQUIRE(file && ftruncate(file.get(), static_cast<off_t>(size_bytes)) == 0);
  return file;
}

// ---- refuse ------------------------------------------------------------------------------

// The same answers from the library, which asks nobody, and from the daemon.
void refuse_nonsense(char* own_pages) {
  const std::uint64_t data = number_of(g_data), own = number_of(own_pages);
  const std::uint64_t region = client::process.region_address;
  const std::uint64_t region_end = region + client::process.region_size_bytes;
  const std::uint64_t last_page = ~(PAGE - 1);
  const struct {
    std::uint64_t address, size_bytes, own;
  } windows[] = {
      {data + 8, PAGE, own},           {data, PAGE - 8, own},
      {data, PAGE, own + 8},           {data, 0, own},
      {data, last_page, own},          {last_page, 2 * PAGE, own},
      {last_page, PAGE, own},          {data, PAGE, region - PAGE},
      {data, PAGE, region_end},        {data, 2 * PAGE, region_end - PAGE},
      {data, PAGE, data},              {own, PAGE, own},
      {own + 4 * PAGE, PAGE, own},     {region - PAGE, 2 * PAGE, own},
      {region_end - PAGE, PAGE, own},  {data, PAGE, 0},
  };
  for (const auto& [address, size_bytes, own_address] : windows) {
    REQUIRE(map_bad(address, size_bytes, own_address) == EINVAL);
    REQUIRE(tell(address, size_bytes, own_address) == EINVAL);
  }
  REQUIRE(g_data[0] == 'i' && own_pages[0] == 'o');
  own_pages[0] = 'o';
}

void refuse_collisions(char* own) {
  map_window(g_data + 2 * PAGE, 2 * PAGE, own + 2 * PAGE);
  const auto refused = [&](std::size_t page, std::size_t count, std::size_t own_page) {
    const std::uint64_t address = number_of(g_data + page * PAGE);
    const std::uint64_t own_address = number_of(own + own_page * PAGE);
    return map_bad(address, count * PAGE, own_address) == EINVAL &&
           tell(address, count * PAGE, own_address) == EINVAL;
  };
  REQUIRE(refused(2, 2, 2) && refused(3, 1, 6) && refused(1, 2, 6) && refused(0, 8, 8));
  REQUIRE(refused(6, 1, 3) && refused(6, 2, 1));
  REQUIRE(g_data[0] == 'i' && g_data[2 * PAGE] == 'o' && own[0] == 'o');
}

// What the kernel says of a mapping, the daemon passes on.
void refuse_mappings(const char* own_pages) {
  const std::uint64_t own = number_of(own_pages + 6 * PAGE);
  const auto told = [&](const char* place) { return tell(number_of(place), PAGE, own); };
  REQUIRE(told(mapped(-1, PAGE)) == EINVAL);
  char* gone = mapped(-1, PAGE);
  REQUIRE(munmap(gone, PAGE) == 0 && told(gone) != 0);

  const UniqueFd file = memory_file(PAGE);
  const FixedText<64> path("/proc/self/fd/", file.get());
  const UniqueFd read_only(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(told(mapped(read_only.get(), PAGE, PROT_READ)) == EPERM);

  const auto device = uffd::open_device();
  REQUIRE(device.has_value());
  const auto other = uffd::create_from_device(device->get());
  REQUIRE(other.has_value());
  uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
  REQUIRE(ioctl(other->get(), UFFDIO_API, &api) == 0);
  const char* place = mapped(file.get(), PAGE);
  uffdio_register taken{};
  taken.range = {.start = number_of(place), .len = PAGE};
  taken.mode = UFFDIO_REGISTER_MODE_MISSING;
  REQUIRE(ioctl(other->get(), UFFDIO_REGISTER, &taken) == 0);
  REQUIRE(told(place) == EBUSY);
}

// Nobody was given that memory: an access says so, in a window as elsewhere.
void reach_what_there_is_not() {
  const std::uint64_t end = client::process.region_address + client::process.region_size_bytes;
  char* place = mapped(-1, PAGE);
  map_window(place, PAGE, reinterpret_cast<void*>(end - PAGE));
  const UniqueFd file = memory_file(PAGE);
  REQUIRE(pwrite(file.get(), place, 1, 0) == -1 && errno == EFAULT);
  REQUIRE(gallocy_home_of(place) == -1);
  REQUIRE(gallocy_pthread_mutex_lock(reinterpret_cast<pthread_mutex_t*>(place)) == EINVAL);
}

void refuse_too_many(const char* own) {
  const char* place = mapped(client::process.pages_fd, 4096 * PAGE, PROT_NONE);
  unsigned count = 0;
  int code = 0;
  const auto told = [&](std::size_t page) {
    return tell(number_of(place + 2 * page * PAGE), PAGE, number_of(own + page * PAGE));
  };
  while (count < 2000 && (code = told(count)) == 0) ++count;
  REQUIRE(code == ENOSPC && count > 1000 && count <= 1024);
  REQUIRE(told(1999) == ENOSPC);
}

void refuse() {
  char* own = page_aligned(4096);
  memset(own, 'o', page_count * PAGE);
  refuse_nonsense(own);
  refuse_collisions(own);
  refuse_mappings(own);
  reach_what_there_is_not();
  REQUIRE(g_data[0] == 'i' && g_data[3 * PAGE] == 'o' && own[7 * PAGE] == 'o');
  refuse_too_many(own + 16 * PAGE);
}

// ---- lie ---------------------------------------------------------------------------------

// Meets rank 1 at the pages, which it keeps changing.
void change_pages(char* own) {
  for (int round = 0; round < 300; ++round)
    for (std::size_t page = 0; page < 4 * page_count; ++page)
      __atomic_fetch_add(&own[page * PAGE + static_cast<std::size_t>(round)], 1, __ATOMIC_SEQ_CST);
}

void* write_on(void* pages) {
  for (;;) memset(pages, 'x', page_count * PAGE);
}

void lie(char* own) {
  constexpr std::size_t size_bytes = page_count * PAGE;
  const auto own_of = [&](std::size_t number) { return own + number * size_bytes; };
  const auto touch = [&](const char* place) {
    for (std::size_t page = 0; page < page_count; ++page)
      [[maybe_unused]] const char seen = static_cast<const volatile char*>(place)[page * PAGE];
  };
  // Memory of its own in the place of pages.
  const UniqueFd file = memory_file(size_bytes);
  char* const false_window = mapped(file.get(), size_bytes);
  REQUIRE(tell(number_of(false_window), size_bytes, number_of(own_of(0))) == 0);
  touch(false_window);
  // A window that it unmaps, last of all: the others must not come to lie there.
  char* const lost_window = mapped(client::process.pages_fd, size_bytes);
  REQUIRE(tell(number_of(lost_window), size_bytes, number_of(own_of(1))) == 0);
  // Other pages than it says.
  char* const wrong_window = mapped(client::process.pages_fd, size_bytes);
  REQUIRE(tell(number_of(wrong_window), size_bytes, number_of(own_of(2))) == 0);
  // It goes on at the own addresses, and waits for ever once a page has been taken away there.
  char* const twin = mapped(client::process.pages_fd, size_bytes);
  REQUIRE(tell(number_of(twin), size_bytes, number_of(own_of(3))) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, write_on, own_of(3)) == 0);
  REQUIRE(munmap(lost_window, size_bytes) == 0);
}

// ---- touch -------------------------------------------------------------------------------

void* read_on(void* page) {
  for (;;) [[maybe_unused]] const int seen = *static_cast<volatile int*>(page);
}

void touch(char* own) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, read_on, own) == 0);
  usleep(20000);
  map_window(g_data, PAGE, own);
  REQUIRE(pthread_join(thread, nullptr) == 0);
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  REQUIRE(map_bad(number_of(g_data), PAGE, number_of(g_data)) == EPERM);
  REQUIRE(gallocy_init() == 0);
  const int rank = gallocy_rank();
  if (strcmp(what, "refuse") == 0) {
    refuse();
    if (rank == 0) puts("OK");
    return 0;
  }
  char* own = rank == 0 ? page_aligned(8 * page_count) : nullptr;
  if (rank == 0) REQUIRE(gallocy_publish("own", own) == 0);
  else own = static_cast<char*>(find("own"));
  if (strcmp(what, "lie") == 0) {
    if (rank == 0) lie(own);
    change_pages(own + (rank == 0 ? 4 * page_count * PAGE : 0));
    return 0;
  }
  if (strcmp(what, "touch") != 0) return 64;
  if (rank == 0) touch(own);
  for (;;) change_pages(own);
}
