// Calls whose result is an object of the C library's own, natively one for all threads. Rank 0
// makes the call, whose time zone, users and hosts are the job's, and the result is copied to where
// all nodes see it. What such an object points to was allocated by a thread of the program, and is
// shared, or is a constant of the C library.
#include "preload/static_results.hpp"

#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(strtok)
GALLOCY_REAL(localtime)
GALLOCY_REAL(gmtime)
GALLOCY_REAL(asctime)
GALLOCY_REAL(ctime)
GALLOCY_REAL(l64a)
GALLOCY_REAL(ether_ntoa)
GALLOCY_REAL(ecvt)
GALLOCY_REAL(fcvt)
GALLOCY_REAL(getlogin)
GALLOCY_REAL(tmpnam)
GALLOCY_REAL(ptsname)
GALLOCY_REAL(localeconv)
GALLOCY_REAL(getmntent)
GALLOCY_REAL(getpwnam)
GALLOCY_REAL(getpwuid)
GALLOCY_REAL(getgrnam)
GALLOCY_REAL(getgrgid)
GALLOCY_REAL(gethostbyname)
GALLOCY_REAL(gethostbyaddr)
GALLOCY_REAL(getservbyname)
GALLOCY_REAL(getservbyport)
GALLOCY_REAL(getprotobyname)
GALLOCY_REAL(getprotobynumber)
GALLOCY_REAL(getpwent)
GALLOCY_REAL(fgetpwent)
GALLOCY_REAL(getgrent)
GALLOCY_REAL(fgetgrent)
GALLOCY_REAL(gethostent)
GALLOCY_REAL(getservent)
GALLOCY_REAL(getprotoent)

using namespace gallocy::preload;

namespace {

constinit StaticResults* g_results = nullptr;

template <std::size_t size>
char* copy(char (&place)[size], const char* text) {
  if (text == nullptr) return nullptr;
  const std::size_t length = ::strnlen(text, size - 1);
  place[length] = '\0';
  return static_cast<char*>(::memcpy(place, text, length));
}

template <class Type>
Type* copy(Type& place, const Type* result) {
  if (result == nullptr) return nullptr;
  place = *result;
  return &place;
}

struct Made {
  AnyFunction* function;
  long arguments[3];
};

// In rank 0, in whatever thread.
template <auto member>
long make(long given, long, long, long, long, long) {
  const auto& made = *reinterpret_cast<const Made*>(given);
  auto& place = g_results->*member;
  using Element = std::remove_extent_t<std::remove_reference_t<decltype(place)>>;
  const long* a = made.arguments;
  const long result = made.function(a[0], a[1], a[2], 0, 0, 0);
  return reinterpret_cast<long>(copy(place, reinterpret_cast<const Element*>(result)));
}

template <auto member, class Function, class... Arguments>
auto result_of(const Real<Function>& real, Arguments... arguments) {
  using Result = decltype(real(arguments...));
  if (!is_application()) return real(arguments...);
  const Made made{real.any(), {(long)(arguments)...}};
  const long given = reinterpret_cast<long>(&made);
  return reinterpret_cast<Result>(is_away() ? call_on_first(make<member>, given, 0, 0, 0, 0, 0)
                                            : make<member>(given, 0, 0, 0, 0, 0));
}

}  // namespace

void gallocy::preload::set_static_results(StaticResults& results) { g_results = &results; }

GALLOCY_TAKES char* strtok(char* text, const char* delimiters) noexcept {
  if (!is_application()) return real::strtok(text, delimiters);
  return ::strtok_r(text, delimiters, &g_results->next_token);
}

GALLOCY_TAKES tm* localtime(const time_t* time) noexcept {
  return result_of<&StaticResults::time>(real::localtime, time);
}
GALLOCY_TAKES tm* gmtime(const time_t* time) noexcept {
  return result_of<&StaticResults::time>(real::gmtime, time);
}
GALLOCY_TAKES char* asctime(const tm* time) noexcept {
  return result_of<&StaticResults::time_text>(real::asctime, time);
}
// As it is defined, so that it leaves behind what localtime does.
GALLOCY_TAKES char* ctime(const time_t* time) noexcept {
  if (!is_application()) return real::ctime(time);
  const tm* broken_down = ::localtime(time);
  return broken_down != nullptr ? ::asctime(broken_down) : nullptr;
}

GALLOCY_TAKES char* l64a(long number) noexcept {
  return result_of<&StaticResults::base_64>(real::l64a, number);
}
GALLOCY_TAKES char* ether_ntoa(const ether_addr* address) noexcept {
  return result_of<&StaticResults::ether_address>(real::ether_ntoa, address);
}
GALLOCY_TAKES char* getlogin() { return result_of<&StaticResults::login>(real::getlogin); }
GALLOCY_TAKES char* tmpnam(char* place) noexcept {
  if (place != nullptr) return real::tmpnam(place);
  return result_of<&StaticResults::temporary_name>(real::tmpnam, place);
}
GALLOCY_TAKES lconv* localeconv() noexcept {
  return result_of<&StaticResults::conventions>(real::localeconv);
}

GALLOCY_TAKES char* ptsname(int fd) noexcept {
  return result_of<&StaticResults::terminal>(real::ptsname, fd);
}
GALLOCY_TAKES mntent* getmntent(FILE* stream) noexcept {
  return result_of<&StaticResults::mount>(real::getmntent, stream);
}

// By every node: their first argument is none of integer registers.
GALLOCY_TAKES char* ecvt(double number, int digits, int* point, int* sign) noexcept {
  char* text = real::ecvt(number, digits, point, sign);
  return is_application() ? copy(g_results->number, text) : text;
}
GALLOCY_TAKES char* fcvt(double number, int digits, int* point, int* sign) noexcept {
  char* text = real::fcvt(number, digits, point, sign);
  return is_application() ? copy(g_results->number, text) : text;
}

GALLOCY_TAKES passwd* getpwnam(const char* name) {
  return result_of<&StaticResults::user_by_name>(real::getpwnam, name);
}
GALLOCY_TAKES passwd* getpwuid(uid_t user) {
  return result_of<&StaticResults::user_by_id>(real::getpwuid, user);
}
GALLOCY_TAKES group* getgrnam(const char* name) {
  return result_of<&StaticResults::group_by_name>(real::getgrnam, name);
}
GALLOCY_TAKES group* getgrgid(gid_t id) {
  return result_of<&StaticResults::group_by_id>(real::getgrgid, id);
}

GALLOCY_TAKES hostent* gethostbyname(const char* name) {
  return result_of<&StaticResults::host_by_name>(real::gethostbyname, name);
}
GALLOCY_TAKES hostent* gethostbyaddr(const void* address, socklen_t size_bytes, int family) {
  return result_of<&StaticResults::host_by_address>(real::gethostbyaddr, address, size_bytes,
                                                    family);
}
GALLOCY_TAKES servent* getservbyname(const char* name, const char* protocol) {
  return result_of<&StaticResults::service_by_name>(real::getservbyname, name, protocol);
}
GALLOCY_TAKES servent* getservbyport(int port, const char* protocol) {
  return result_of<&StaticResults::service_by_port>(real::getservbyport, port, protocol);
}
GALLOCY_TAKES protoent* getprotobyname(const char* name) {
  return result_of<&StaticResults::protocol_by_name>(real::getprotobyname, name);
}
GALLOCY_TAKES protoent* getprotobynumber(int number) {
  return result_of<&StaticResults::protocol_by_number>(real::getprotobynumber, number);
}

// Where the next one is, rank 0 knows.
GALLOCY_TAKES passwd* getpwent() { return result_of<&StaticResults::next_user>(real::getpwent); }
GALLOCY_TAKES passwd* fgetpwent(FILE* stream) {
  return result_of<&StaticResults::user_of_file>(real::fgetpwent, stream);
}
GALLOCY_TAKES group* getgrent() { return result_of<&StaticResults::next_group>(real::getgrent); }
GALLOCY_TAKES group* fgetgrent(FILE* stream) {
  return result_of<&StaticResults::group_of_file>(real::fgetgrent, stream);
}
GALLOCY_TAKES hostent* gethostent() {
  return result_of<&StaticResults::next_host>(real::gethostent);
}
GALLOCY_TAKES servent* getservent() {
  return result_of<&StaticResults::next_service>(real::getservent);
}
GALLOCY_TAKES protoent* getprotoent() {
  return result_of<&StaticResults::next_protocol>(real::getprotoent);
}
