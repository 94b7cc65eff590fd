/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * contract.h - what every backend promises through pfring.h, as test cases.
 *
 *      contract CASE BACKEND TX_NAMESPACE FOLDER      runs one case
 *      contract --list BACKEND                        names the cases for it
 *
 * BACKEND may be followed by ",immediate": every handle is then opened so.
 * A case runs in a process of its own, inside the namespace of the capturing
 * end (cap0); frames come from gen0 in TX_NAMESPACE or, for a backend that
 * reads files, from a file written to FOLDER. The frames are numbered and
 * follow from their number (feed.c), so each case can name what it misses.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdio.h>

#include "pfring.h"

#define CAPTURE "cap0"
#define PATIENCE 60000 /* ms until a packet that must come is missing */
#define QUIET 150      /* ms after which a packet that must not come has not */

enum { FILES = 1, LIVE = 2, ANY = FILES | LIVE };

#define CASES(X)                                                                                   \
	X(packets_come_whole_and_in_order, ANY)                                                    \
	X(copying_gives_the_same_bytes, ANY)                                                       \
	X(a_small_buffer_cuts, ANY)                                                                \
	X(the_snap_length_cuts, ANY)                                                               \
	X(snap_lengths_out_of_range_mean_everything, ANY)                                          \
	X(the_loop_calls_back_for_each_packet, ANY)                                                \
	X(bursts_give_the_same_packets, ANY)                                                       \
	X(mixed_ways_of_reading_lose_nothing, ANY)                                                 \
	X(the_next_packets_time_is_told_before_it_is_taken, ANY)                                   \
	X(headers_are_parsed_when_asked_for, ANY)                                                  \
	X(time_never_goes_back, ANY)                                                               \
	X(sampling_takes_one_of_ten, ANY)                                                          \
	X(sampling_also_takes_one_of_ten_of_what_is_queued, ANY)                                   \
	X(packets_may_be_written_into, ANY)                                                        \
	X(bytes_stay_until_the_next_read, LIVE)                                                    \
	X(nothing_there_is_no_packet, LIVE)                                                        \
	X(the_end_of_a_file_is_told_again_and_again, FILES)                                        \
	X(a_waiting_read_ends_with_the_packet, LIVE)                                               \
	X(one_packet_is_not_held_back, LIVE)                                                       \
	X(a_libpcap_time_out_holds_back_for_a_moment_only, LIVE)                                   \
	X(poll_tells_whether_packets_are_there, LIVE)                                              \
	X(poll_tells_nothing_of_refused_packets, LIVE)                                             \
	X(the_descriptor_becomes_readable, LIVE)                                                   \
	X(the_descriptor_is_quiet_when_all_is_read, LIVE)                                          \
	X(the_descriptor_is_quiet_when_the_last_packet_was_taken, LIVE)                            \
	X(breakloop_ends_a_wait_of_another_thread, LIVE)                                           \
	X(breakloop_in_a_signal_handler_ends_the_loop, LIVE)                                       \
	X(breakloop_in_a_callback_loses_nothing, ANY)                                              \
	X(breakloop_before_the_loop_counts_once, ANY)                                              \
	X(breakloop_ends_a_poll_and_nothing_more, LIVE)                                            \
	X(a_childs_breakloop_ends_one_wait_of_the_parent, LIVE)                                    \
	X(shutdown_ends_a_wait, LIVE)                                                              \
	X(closing_ends_a_wait_of_another_thread, LIVE)                                             \
	X(closing_in_a_signal_handler_ends_a_wait, LIVE)                                           \
	X(closing_in_a_callback_ends_the_loop, ANY)                                                \
	X(a_handler_may_close_at_any_instant, ANY)                                                 \
	X(another_thread_may_close_at_any_instant, ANY)                                            \
	X(a_filter_holds_from_the_first_packet, ANY)                                               \
	X(a_new_filter_also_holds_for_queued_packets, ANY)                                         \
	X(of_two_new_filters_the_first_takes_nothing_from_the_second, LIVE)                        \
	X(a_callback_may_change_the_filter_of_what_is_queued, LIVE)                                \
	X(a_filter_set_while_disabled_holds_for_what_was_queued, LIVE)                             \
	X(a_bad_filter_leaves_the_old_one, ANY)                                                    \
	X(a_removed_filter_lets_everything_through, ANY)                                           \
	X(bytecode_cuts_to_the_length_it_returns, ANY)                                             \
	X(bytecode_that_refuses_all_delivers_nothing, ANY)                                         \
	X(vlan_filters_see_the_tag, ANY)                                                           \
	X(two_handles_filter_for_themselves, LIVE)                                                 \
	X(direction_is_respected, LIVE)                                                            \
	X(counters_start_at_zero_and_add_up, ANY)                                                  \
	X(delivered_is_what_was_handed_out, ANY)                                                   \
	X(a_full_ring_drops_the_newest_and_says_so, LIVE)                                          \
	X(a_trickle_outlasts_a_reader_that_pauses, LIVE)                                           \
	X(books_balance_under_load, LIVE)                                                          \
	X(filtered_packets_are_in_nobodys_books, LIVE)                                             \
	X(threads_share_a_reentrant_ring, ANY)                                                     \
	X(a_waiting_reader_lets_other_threads_in, LIVE)                                            \
	X(opening_says_what_is_wrong, ANY)                                                         \
	X(opening_leaves_errno_alone_whatever_was_tried, ANY)                                      \
	X(opening_a_device_that_is_down_fails, LIVE)                                               \
	X(a_disabled_ring_takes_nothing, LIVE)                                                     \
	X(a_ring_that_only_sent_can_receive_again, LIVE)                                           \
	X(a_thousand_opens_leave_nothing_behind, ANY)                                              \
	X(a_childs_close_does_not_disturb_the_parent, LIVE)                                        \
	X(the_backend_is_told, ANY)                                                                \
	X(wrong_arguments_are_refused, ANY)                                                        \
	X(capture_goes_on_after_down_and_up, LIVE)                                                 \
	X(frames_longer_than_the_mtu_was_come_whole, LIVE)                                         \
	X(a_raw_socket_is_all_that_longer_frames_need, LIVE)                                       \
	X(longer_frames_are_cut_where_the_filter_says, LIVE)                                       \
	X(longer_frames_that_find_no_room_are_dropped_whole, LIVE)                                 \
	X(a_removed_device_ends_the_capture, LIVE)                                                 \
	X(a_removed_device_ends_a_wait, LIVE)                                                      \
	X(a_device_removed_while_it_is_down_ends_a_wait, LIVE)                                     \
	X(sent_frames_arrive, LIVE)                                                                \
	X(a_packet_goes_back_as_it_came, LIVE)                                                     \
	X(the_last_packet_goes_back_however_it_was_read, LIVE)                                     \
	X(frames_wait_for_the_watermark_or_a_flush, LIVE)                                          \
	X(a_childs_close_does_not_send_the_parents_frames, LIVE)                                   \
	X(the_rings_of_all_queues_together_miss_nothing, LIVE)                                     \
	X(a_queue_that_is_not_there_gives_nothing, LIVE)                                           \
	X(promiscuity_is_counted, LIVE)                                                            \
	X(a_cluster_gives_each_packet_to_one_member, LIVE)                                         \
	X(who_leaves_a_cluster_sees_everything_again, LIVE)                                        \
	X(who_leaves_a_cluster_still_reads_what_was_queued, LIVE)

#define X(name, where) void name(void);
CASES(X)
#undef X

/* Ends the case: it has failed. */
#define CHECK(truth, ...)                                                                          \
	do {                                                                                       \
		if (!(truth))                                                                      \
			failed(__FILE__, __LINE__, #truth, __VA_ARGS__);                           \
	} while (0)
void failed(const char *file, int line, const char *truth, const char *format, ...)
	__attribute__((format(printf, 4, 5), noreturn));

/* main.c */
extern const char *backend; /* "packet", "file" ... */
extern bool immediate;
bool is_live(void);

/*
 * feed.c: frame number i is UDP if i is even, VLAN-tagged (802.1Q, id 5) ARP
 * if i % 8 == 7, else TCP; its length follows from i as well.
 */
#define FRAME_MAX 1514
u_int frame_make(u_char *frame, u_int i);
u_int frame_length(u_int i);
int frame_number(const u_char *data, u_int caplen); /* -1: none of ours */
bool is_udp(u_int i);
bool is_tagged(u_int i);
/* Ends the case unless p is frame i, whole or cut to caplen by us. */
void is_frame(const u_char *data, u_int caplen, u_int len, u_int i, u_int cut);

/* Makes n frames ready for the rings opened afterwards: writes the file. */
void prepare(u_int n);
/* Sends frames first .. first+n-1; with files they are there already. */
void feed(u_int first, u_int n);
/* A packet socket on gen0; protocol 0 only sends. */
int peer_socket(u_int16_t protocol);

/* The name to open, a ring that is only opened (or NULL), and one that is enabled. */
const char *source(void);
pfring *not_enabled(void);
pfring *opened(u_int caplen, u_int flags);
pfring *opened_opts(const struct pfring_open_options *opts);

/* Forks a child that closes its copy of the handle, and waits for its end. */
void close_in_a_child(pfring *ring);

/* Reads until n packets have come that are frames first, first+1 ... for which wanted(i). */
void expect(pfring *ring, u_int first, u_int n, bool (*wanted)(u_int i));
/* Nothing more is there: quiet, or the end of the file. */
void expect_nothing(pfring *ring);
u_int count_wanted(u_int first, u_int n, bool (*wanted)(u_int i));

/* Runs fn(arg) in a thread after ms milliseconds. */
pthread_t later(int ms, void *(*fn)(void *), void *arg);

#endif /* CONTRACT_H */
