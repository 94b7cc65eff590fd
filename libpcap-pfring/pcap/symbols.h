/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * symbols.h - every symbol that libpcap exports, by what we do with it.
 *
 * The union of libpcap 1.10.3 and its master: a program built against either
 * finds at load time all that it imports.
 */
#ifndef PFRO_SYMBOLS_H
#define PFRO_SYMBOLS_H

/* Written here, over the real one. */
#define PFRO_OURS(X)                                                                               \
	X(pcap_activate)                                                                           \
	X(pcap_breakloop)                                                                          \
	X(pcap_close)                                                                              \
	X(pcap_create)                                                                             \
	X(pcap_dispatch)                                                                           \
	X(pcap_fileno)                                                                             \
	X(pcap_get_selectable_fd)                                                                  \
	X(pcap_inject)                                                                             \
	X(pcap_lib_version)                                                                        \
	X(pcap_loop)                                                                               \
	X(pcap_next)                                                                               \
	X(pcap_next_ex)                                                                            \
	X(pcap_open_live)                                                                          \
	X(pcap_sendpacket)                                                                         \
	X(pcap_set_buffer_size)                                                                    \
	X(pcap_set_immediate_mode)                                                                 \
	X(pcap_set_promisc)                                                                        \
	X(pcap_set_protocol_linux)                                                                 \
	X(pcap_set_rfmon)                                                                          \
	X(pcap_set_snaplen)                                                                        \
	X(pcap_set_timeout)                                                                        \
	X(pcap_set_tstamp_type)                                                                    \
	X(pcap_setdirection)                                                                       \
	X(pcap_setfilter)                                                                          \
	X(pcap_setnonblock)                                                                        \
	X(pcap_stats)

/* One jump to the real one, which we ask ourselves, too. */
#define PFRO_ASKED(X)                                                                              \
	X(pcap_datalink)                                                                           \
	X(pcap_get_required_select_timeout)                                                        \
	X(pcap_geterr)                                                                             \
	X(pcap_getnonblock)

/* One jump to the real one. */
#define PFRO_FORWARD(X)                                                                            \
	X(bpf_dump)                                                                                \
	X(bpf_filter)                                                                              \
	X(bpf_image)                                                                               \
	X(bpf_validate)                                                                            \
	X(pcap_bufsize)                                                                            \
	X(pcap_can_set_rfmon)                                                                      \
	X(pcap_compile)                                                                            \
	X(pcap_compile_nopcap)                                                                     \
	X(pcap_datalink_ext)                                                                       \
	X(pcap_datalink_name_to_val)                                                               \
	X(pcap_datalink_val_to_description)                                                        \
	X(pcap_datalink_val_to_description_or_dlt)                                                 \
	X(pcap_datalink_val_to_name)                                                               \
	X(pcap_dump)                                                                               \
	X(pcap_dump_close)                                                                         \
	X(pcap_dump_file)                                                                          \
	X(pcap_dump_flush)                                                                         \
	X(pcap_dump_fopen)                                                                         \
	X(pcap_dump_ftell)                                                                         \
	X(pcap_dump_ftell64)                                                                       \
	X(pcap_dump_open)                                                                          \
	X(pcap_dump_open_append)                                                                   \
	X(pcap_ether_aton)                                                                         \
	X(pcap_ether_hostton)                                                                      \
	X(pcap_file)                                                                               \
	X(pcap_findalldevs)                                                                        \
	X(pcap_fopen_offline)                                                                      \
	X(pcap_fopen_offline_with_tstamp_precision)                                                \
	X(pcap_free_datalinks)                                                                     \
	X(pcap_free_tstamp_types)                                                                  \
	X(pcap_freealldevs)                                                                        \
	X(pcap_freecode)                                                                           \
	X(pcap_get_tstamp_precision)                                                               \
	X(pcap_init)                                                                               \
	X(pcap_is_swapped)                                                                         \
	X(pcap_list_datalinks)                                                                     \
	X(pcap_list_tstamp_types)                                                                  \
	X(pcap_lookupdev)                                                                          \
	X(pcap_lookupnet)                                                                          \
	X(pcap_major_version)                                                                      \
	X(pcap_minor_version)                                                                      \
	X(pcap_nametoaddr)                                                                         \
	X(pcap_nametoaddrinfo)                                                                     \
	X(pcap_nametoeproto)                                                                       \
	X(pcap_nametollc)                                                                          \
	X(pcap_nametonetaddr)                                                                      \
	X(pcap_nametoport)                                                                         \
	X(pcap_nametoportrange)                                                                    \
	X(pcap_nametoproto)                                                                        \
	X(pcap_next_etherent)                                                                      \
	X(pcap_offline_filter)                                                                     \
	X(pcap_open_dead)                                                                          \
	X(pcap_open_dead_with_tstamp_precision)                                                    \
	X(pcap_open_offline)                                                                       \
	X(pcap_open_offline_with_tstamp_precision)                                                 \
	X(pcap_perror)                                                                             \
	X(pcap_set_datalink)                                                                       \
	X(pcap_set_tstamp_precision)                                                               \
	X(pcap_snapshot)                                                                           \
	X(pcap_statustostr)                                                                        \
	X(pcap_strerror)                                                                           \
	X(pcap_tstamp_type_name_to_val)                                                            \
	X(pcap_tstamp_type_val_to_description)                                                     \
	X(pcap_tstamp_type_val_to_name)

/* New after 1.10: forwarded where the real library has them, else they say that it has not. */
#define PFRO_NEW(X)                                                                                \
	X(pcap_open)                                                                               \
	X(pcap_findalldevs_ex)                                                                     \
	X(pcap_createsrcstr)                                                                       \
	X(pcap_parsesrcstr)                                                                        \
	X(pcap_setsampling)

#endif /* PFRO_SYMBOLS_H */
