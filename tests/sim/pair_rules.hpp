// The states and events of pairs.hpp by name, and which of them never meet.
#pragma once

#include "pairs.hpp"

namespace gallocy::sim {

// As core's PageState.
inline constexpr const char* page_states[] = {"invalid", "shared", "exclusive", "leaving",
                                              "installing"};

enum PageEvent : unsigned {
  read_fault, write_fault, recall_to_shared, recall_to_invalid, invalidate, page_data, grant,
  invalidate_ack, release, page_hasten, writeback_ack, denial, prefetch_data, lost_page,
  prefetch_granted, prefetch_refused, discard, removal, taken_back, home_ready, old_epoch,
  newer_epoch, no_member,
};
inline constexpr const char* page_events[] = {
    "read fault", "write fault", "recall to shared", "recall to invalid", "invalidate",
    "page_data", "grant", "invalidate_ack", "release", "hasten", "writeback_ack", "denial",
    "prefetch_data", "lost", "prefetch granted", "prefetch refused", "discard", "removal",
    "taken back", "home ready", "of old epoch", "of newer epoch", "of no member"};

inline constexpr const char* home_states[] = {
    "zero", "shared", "exclusive", "zero busy", "shared busy", "exclusive busy", "zero starved",
    "zero denied", "zero departing", "shared departing", "closed", "lost"};

enum HomeEvent : unsigned {
  read_request, write_request, upgrade_request, done, writeback, home_hasten, prefetch_request,
  slot_wanted, chunk_return, discarded, home_removal, reported_none, reported_shared,
  reported_exclusive, early_report, home_old_epoch, home_newer_epoch, home_no_member,
};
inline constexpr const char* home_events[] = {
    "read_request", "write_request", "upgrade_request", "done", "writeback", "hasten",
    "prefetch_request", "slot_wanted", "chunk_return", "discarded", "removal", "reported none",
    "reported shared", "reported exclusive", "early report", "of old epoch", "of newer epoch",
    "of no member"};

// Whatever the state.
inline constexpr const char* put_aside[] = {"early report", "of old epoch", "of newer epoch",
                                            "of no member"};

inline constexpr Impossible impossible_pages[] = {
    {"leaving", nullptr, "a page leaves within one step"},
    {"invalid", "recall to shared", "a home recalls from who has a copy"},
    {"invalid", "recall to invalid", "a home recalls from who has a copy"},
    {"installing", "recall to shared", "the home is busy until the requester is done"},
    {"installing", "recall to invalid", "the home is busy until the requester is done"},
    {"installing", "invalidate", "the home is busy until the requester is done"},
    {"exclusive", "invalidate", "an owner is recalled from"},
    {"shared", "page_data", "bytes come to who has none"},
    {"exclusive", "page_data", "bytes come to who has none"},
    {"installing", "page_data", "bytes come once"},
    {"exclusive", "grant", "an owner asks for nothing"},
    {"installing", "grant", "a request is granted once"},
    {"exclusive", "invalidate_ack", "all have come before the page may be written"},
    {"exclusive", "denial", "an owner asks for nothing"},
    {"installing", "denial", "what is granted is not denied"},
    {"shared", "lost", "who has a page has not lost it"},
    {"exclusive", "lost", "who has a page has not lost it"},
    {"installing", "lost", "what is granted is not lost"},
    {"exclusive", "prefetch granted", "the home has said so before it granted more"},
    {"installing", "prefetch granted", "the home has said so before it granted more"},
    {"shared", "prefetch refused", "an access waits for what may be on its way"},
    {"exclusive", "prefetch refused", "an access waits for what may be on its way"},
    {"installing", "prefetch refused", "an access waits for what may be on its way"},
    {"installing", "discard", "nothing of a closed chunk is under way"},
    {"shared", "taken back", "whose copy is in a slot alone has reported none"},
    {"exclusive", "taken back", "whose copy is in a slot alone has reported none"},
    {"installing", "taken back", "whose copy is in a slot alone has reported none"},
    {"installing", "home ready", "what was being installed is asked for anew"},
    {nullptr, "of newer epoch", "a home is ready when this node has heard of it, and reported"},
};

inline constexpr const char* over = "its transaction is over";
inline constexpr const char* made_anew =
    "a removal has left it zero or lost until all have reported";
inline constexpr const char* all_said =
    "a home is ready when all have reported, and of the old epoch nothing comes behind a report";
inline constexpr Impossible impossible_homes[] = {
    {"shared", "of old epoch", all_said},
    {"exclusive", "of old epoch", all_said},
    {"zero busy", "of old epoch", all_said},
    {"shared busy", "of old epoch", all_said},
    {"exclusive busy", "of old epoch", all_said},
    {"zero starved", "of old epoch", all_said},
    {"zero denied", "of old epoch", all_said},
    {"zero departing", "of old epoch", all_said},
    {"shared departing", "of old epoch", all_said},
    {"zero", "done", "nobody has anything to be done with"},
    {"shared", "done", "nobody has anything to be done with"},
    {"exclusive", "done", "nobody has anything to be done with"},
    {"lost", "done", "nobody has anything to be done with"},
    {"lost", "writeback", "nobody has a copy"},
    {"lost", "upgrade_request", "nobody has a copy"},
    {"zero", "hasten", "the request is hastened before it is done, on the same connection"},
    {"shared", "hasten", "the request is hastened before it is done, on the same connection"},
    {"exclusive", "hasten", "the request is hastened before it is done, on the same connection"},
    {"zero", "slot_wanted", over},
    {"shared", "slot_wanted", over},
    {"exclusive", "slot_wanted", over},
    {"zero busy", "slot_wanted", "nobody has bytes"},
    {"exclusive busy", "slot_wanted", "what waits for no acknowledgement is over by itself"},
    {"zero starved", "slot_wanted", "nobody has bytes"},
    {"zero denied", "slot_wanted", "nobody has bytes"},
    {"zero departing", "slot_wanted", over},
    {"shared departing", "slot_wanted", over},
    {"closed", "slot_wanted", over},
    {"lost", "slot_wanted", "nobody has bytes"},
    {"shared", "reported none", made_anew},
    {"exclusive", "reported none", made_anew},
    {"zero busy", "reported none", made_anew},
    {"shared busy", "reported none", made_anew},
    {"exclusive busy", "reported none", made_anew},
    {"zero starved", "reported none", made_anew},
    {"zero denied", "reported none", made_anew},
    {"zero departing", "reported none", made_anew},
    {"shared departing", "reported none", made_anew},
    {"shared", "reported shared", made_anew},
    {"exclusive", "reported shared", made_anew},
    {"zero busy", "reported shared", made_anew},
    {"shared busy", "reported shared", made_anew},
    {"exclusive busy", "reported shared", made_anew},
    {"zero starved", "reported shared", made_anew},
    {"zero denied", "reported shared", made_anew},
    {"zero departing", "reported shared", made_anew},
    {"shared departing", "reported shared", made_anew},
    {"shared", "reported exclusive", made_anew},
    {"exclusive", "reported exclusive", made_anew},
    {"zero busy", "reported exclusive", made_anew},
    {"shared busy", "reported exclusive", made_anew},
    {"exclusive busy", "reported exclusive", made_anew},
    {"zero starved", "reported exclusive", made_anew},
    {"zero denied", "reported exclusive", made_anew},
    {"zero departing", "reported exclusive", made_anew},
    {"shared departing", "reported exclusive", made_anew},
    {"zero", "discarded", "the chunk stays closed until all have discarded it"},
    {"shared", "discarded", "the chunk stays closed until all have discarded it"},
    {"exclusive", "discarded", "the chunk stays closed until all have discarded it"},
    {"zero busy", "discarded", "nothing of a closed chunk is under way"},
    {"shared busy", "discarded", "nothing of a closed chunk is under way"},
    {"exclusive busy", "discarded", "nothing of a closed chunk is under way"},
    {"zero starved", "discarded", "nothing of a closed chunk is under way"},
    {"zero denied", "discarded", "nothing of a closed chunk is under way"},
    {"zero departing", "discarded", "nothing of a closed chunk is under way"},
    {"shared departing", "discarded", "nothing of a closed chunk is under way"},
    {"closed", "chunk_return", "a chunk is given back once"},
    {nullptr, "of newer epoch", "this home is ready when it has heard of it"},
};

}  // namespace gallocy::sim
