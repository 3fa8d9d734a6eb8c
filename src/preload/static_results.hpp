// What natively is one object of the C library's for the whole process, and so has to be one for
// the whole job: results that a call leaves in memory of its own, and where strtok goes on.
#pragma once

#include <grp.h>
#include <locale.h>
#include <mntent.h>
#include <netdb.h>
#include <pwd.h>
#include <time.h>

namespace gallocy::preload {

// In the region. Which call has which: static_results.cpp.
struct StaticResults {
  char* next_token;
  tm time;
  char time_text[128];
  char base_64[8];
  char ether_address[18];
  char number[128];
  char login[256];
  char temporary_name[64];
  char terminal[64];
  lconv conventions;
  mntent mount;
  passwd user_by_name, user_by_id, next_user, user_of_file;
  group group_by_name, group_by_id, next_group, group_of_file;
  hostent host_by_name, host_by_address, next_host;
  servent service_by_name, service_by_port, next_service;
  protoent protocol_by_name, protocol_by_number, next_protocol;
};

// Rank 0's. Before any thread is started in this rank.
void set_static_results(StaticResults& results);

}  // namespace gallocy::preload
