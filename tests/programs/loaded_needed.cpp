// What loaded_library.cpp needs.
#include <map>
#include <mutex>
#include <string>

#include "loaded_library.h"
#include "loaded_common.hpp"

namespace {

std::mutex mutex;
std::map<std::string, int> counts{{"needed", 1}};
loaded self{"needed", nullptr};

__attribute__((constructor)) void link_in() {
  self.next = loaded_list;
  loaded_list = &self;
}

}  // namespace

int needed_number() { return ++Common<int>::number; }
int needed_count(const char* word) {
  const std::lock_guard guard(mutex);
  return ++counts[word];
}
