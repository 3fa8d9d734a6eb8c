#include "daemon/mailbox.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace gallocy::daemon {

ipc::JobFailed failure_of(JobId job, const Sentence& sentence) {
  ipc::JobFailed failed;
  failed.job = raw(job);
  const std::string_view text = sentence.view();
  std::memcpy(failed.sentence, text.data(), std::min(text.size(), sizeof failed.sentence - 1));
  return failed;
}

void Mailbox::rank_gone(JobId job, std::uint32_t rank) {
  ipc::RankGone gone;
  gone.job = raw(job);
  gone.rank = rank;
  post(gone);
}

void Mailbox::job_failed(JobId job, const Sentence& sentence) { post(failure_of(job, sentence)); }

void Mailbox::post(JobMail mail) {
  {
    const std::lock_guard lock(mutex_);
    mails_.push_back(std::move(mail));
  }
  ring_.wake();
}

std::vector<JobMail> Mailbox::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(mails_, {});
}

}  // namespace gallocy::daemon
