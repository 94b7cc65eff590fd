/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring.hpp - pfring.h for C++17: class PFring (guide 7.15) with the methods
 * that PF_RING's own class has, an owner that cannot leak, and packets in a
 * range-for. Header only.
 *
 *	PFring ring("eth0", 1500, PF_RING_PROMISC);
 *	ring.enable_ring();
 *	for (const PFring::Packet &p : ring)
 *		count(p.begin(), p.end());
 *
 * Errors. Methods named as in the guide return what the C call returns: 0 or a
 * positive number, or a negative errno value, and never throw. What cannot
 * return one (the constructor, a range-for that meets an error) throws
 * std::system_error; so that nothing throws, give the constructor a
 * std::error_code, and ask error() behind a loop. Compiled with
 * -fno-exceptions the throwing forms behave like those: an object that is
 * false, a loop that ends, error() that says why. error_text() is the
 * library's sentence on the last failure of this thread.
 *
 * One thread at a time, as in C; break_loop() is for any thread or handler.
 */
#ifndef PFRING_HPP
#define PFRING_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include "pfring.h"

class PFring
{
      public:
	using clock = std::chrono::system_clock;
	using time_point = std::chrono::time_point<clock, std::chrono::nanoseconds>;

	/* A packet where it lies: valid until the next one is asked for. */
	class Packet : public pfring_packet
	{
	      public:
		const u_char *begin() const noexcept
		{
			return data;
		}
		const u_char *end() const noexcept
		{
			return data + caplen;
		}
		std::size_t size() const noexcept
		{
			return caplen;
		}
		time_point timestamp() const noexcept
		{
			return time_point(std::chrono::nanoseconds(ts_ns));
		}
		bool received() const noexcept
		{
			return rx_direction != 0;
		}
	};

	/* Opens; the ring is to be enabled. Throws std::system_error. */
	PFring(const char *device, u_int snaplen, u_int flags = 0)
	{
		std::error_code e;

		open(device, snaplen, flags, e);
		fail_if(e);
	}
	/* The same without exceptions: e says how it went. */
	PFring(const char *device, u_int snaplen, u_int flags, std::error_code &e) noexcept
	{
		open(device, snaplen, flags, e);
	}
	/* Takes over a ring that a C call opened. */
	explicit PFring(pfring *ring) noexcept : ring_(ring)
	{
	}
	~PFring()
	{
		close();
	}

	PFring(const PFring &) = delete;
	PFring &operator=(const PFring &) = delete;
	/* Not while a loop over it runs. */
	PFring(PFring &&other) noexcept
	{
		take(other);
	}
	PFring &operator=(PFring &&other) noexcept
	{
		if (this != &other) {
			close();
			take(other);
		}
		return *this;
	}

	explicit operator bool() const noexcept
	{
		return ring_ != nullptr;
	}
	/* For calls that have no method here; it stays this object's. */
	pfring *native_handle() const noexcept
	{
		return ring_;
	}
	/* The caller closes it from now on. */
	pfring *release() noexcept
	{
		at_ = count_ = 0;
		left_ = false;
		return std::exchange(ring_, nullptr);
	}
	void close() noexcept
	{
		if (pfring *ring = release())
			pfring_close(ring);
	}

	/* Clusters */
	int set_cluster(u_int cluster_id, cluster_type type = cluster_round_robin) noexcept
	{
		return pfring_set_cluster(ring_, cluster_id, type);
	}
	int remove_from_cluster() noexcept
	{
		return pfring_remove_from_cluster(ring_);
	}

	/* Receive queues; -1: all */
	int set_channel_id(short channel_id) noexcept
	{
		return pfring_set_channel_id(ring_, static_cast<u_int32_t>(channel_id));
	}

	/* Whether a packet is there within so many milliseconds; -1: wait for ever. */
	bool wait_for_packets(int msec = -1) noexcept
	{
		return pfring_poll(ring_, static_cast<u_int>(msec)) > 0;
	}
	/* Waits, and copies at most pkt_len bytes to pkt (const in PF_RING's own class). */
	int get_next_packet(struct pfring_pkthdr *hdr, const u_char *pkt, u_int pkt_len) noexcept
	{
		u_char *buffer = const_cast<u_char *>(pkt);

		return pkt_len ? pfring_recv(ring_, &buffer, pkt_len, hdr, 1) : -EINVAL;
	}
	/* Waits; *pkt is the packet where it lies. */
	int get_next_packet_zc(struct pfring_pkthdr *hdr, const u_char **pkt) noexcept
	{
		u_char *buffer = nullptr;
		int rc = pfring_recv(ring_, &buffer, 0, hdr, 1);

		if (rc > 0)
			*pkt = buffer;
		return rc;
	}

	/* Filters and rules */
	int add_bpf_filter(const char *the_filter) noexcept
	{
		return pfring_set_bpf_filter(ring_, the_filter);
	}
	int remove_bpf_filter() noexcept
	{
		return pfring_remove_bpf_filter(ring_);
	}
	int add_filtering_rule(filtering_rule *the_rule) noexcept
	{
		return pfring_add_filtering_rule(ring_, the_rule);
	}
	int remove_filtering_rule(u_int16_t rule_id) noexcept
	{
		return pfring_remove_filtering_rule(ring_, rule_id);
	}
	int toggle_filtering_policy(bool rules_default_accept_policy) noexcept
	{
		return pfring_toggle_filtering_policy(ring_, rules_default_accept_policy);
	}
	int add_hash_filtering_rule(hash_filtering_rule *rule) noexcept
	{
		return pfring_handle_hash_filtering_rule(ring_, rule, 1);
	}
	int remove_hash_filtering_rule(hash_filtering_rule *rule) noexcept
	{
		return pfring_handle_hash_filtering_rule(ring_, rule, 0);
	}

	/* Statistics */
	int get_stats(pfring_stat *stats) noexcept
	{
		return pfring_stats(ring_, stats);
	}
	int get_filtering_rule_stats(u_int16_t rule_id, char *stats, u_int *stats_len) noexcept
	{
		return pfring_get_filtering_rule_stats(ring_, rule_id, stats, stats_len);
	}
	int get_hash_filtering_rule_stats(hash_filtering_rule *rule, char *stats,
					  u_int *stats_len) noexcept
	{
		return pfring_get_hash_filtering_rule_stats(ring_, rule, stats, stats_len);
	}

	/* The rest */
	const char *get_device_name() const noexcept
	{
		return name_.c_str();
	}
	char *get_device_name() noexcept
	{
		return name_.data();
	}
	int enable_ring() noexcept
	{
		return pfring_enable_ring(ring_);
	}
	int disable_ring() noexcept
	{
		return pfring_disable_ring(ring_);
	}
	int set_sampling_rate(u_int32_t rate) noexcept
	{
		return pfring_set_sampling_rate(ring_, rate);
	}
	int set_sw_filtering_sampling_rate(u_int32_t rate) noexcept
	{
		return pfring_set_filtering_sampling_rate(ring_, rate);
	}
	int get_version(u_int32_t *version) noexcept
	{
		return pfring_version(ring_, version);
	}
	int get_socket_id() noexcept
	{
		return pfring_get_selectable_fd(ring_);
	}
	int set_direction(packet_direction direction) noexcept
	{
		return pfring_set_direction(ring_, direction);
	}
	/* Sends a frame at once. Returns its bytes. */
	int send(const void *frame, std::size_t len) noexcept
	{
		return pfring_send(ring_, frame, static_cast<u_int>(len), 1);
	}
	void break_loop() noexcept
	{
		pfring_breakloop(ring_);
	}

	/* What ended the last loop: nothing (break_loop(), the end of a file) or an error. */
	const std::error_code &error() const noexcept
	{
		return error_;
	}
	static const char *error_text() noexcept
	{
		return pfring_last_error();
	}

	/*
	 * All packets to come, once: an input iterator over batches. Leaving the
	 * loop early loses nothing: the next loop goes on behind the last packet.
	 */
	class iterator
	{
	      public:
		using iterator_category = std::input_iterator_tag;
		using value_type = Packet;
		using difference_type = std::ptrdiff_t;
		using pointer = const Packet *;
		using reference = const Packet &;

		iterator() noexcept = default;
		reference operator*() const noexcept
		{
			return of_->batch_[of_->at_];
		}
		pointer operator->() const noexcept
		{
			return &**this;
		}
		iterator &operator++()
		{
			of_->at_++;
			if (!of_->fill())
				of_ = nullptr;
			return *this;
		}
		void operator++(int)
		{
			++*this;
		}
		bool operator==(const iterator &other) const noexcept
		{
			return of_ == other.of_;
		}
		bool operator!=(const iterator &other) const noexcept
		{
			return of_ != other.of_;
		}

	      private:
		friend class PFring;
		explicit iterator(PFring *of) noexcept : of_(of)
		{
		}
		PFring *of_ = nullptr;
	};

	/* Waits for the first packet. */
	iterator begin()
	{
		/* A loop that was left stands on the packet it saw last. */
		if (at_ < count_ && left_)
			at_++;
		return fill() ? iterator(this) : iterator();
	}
	iterator end() noexcept
	{
		return {};
	}

      private:
	void take(PFring &other) noexcept
	{
		ring_ = std::exchange(other.ring_, nullptr);
		name_ = std::move(other.name_);
		error_ = std::exchange(other.error_, {});
		/* What a loop that was left has not seen yet comes along. */
		batch_ = other.batch_;
		at_ = std::exchange(other.at_, 0);
		count_ = std::exchange(other.count_, 0);
		left_ = std::exchange(other.left_, false);
	}

	void open(const char *device, u_int snaplen, u_int flags, std::error_code &e) noexcept
	{
		ring_ = pfring_open(device, snaplen, flags);
		e = ring_ ? std::error_code() : std::error_code(errno, std::generic_category());
		error_ = e;
#ifdef __cpp_exceptions
		try {
			name_ = device ? device : "";
		} catch (...) {
			close();
			e = error_ = std::make_error_code(std::errc::not_enough_memory);
		}
#else
		name_ = device ? device : "";
#endif
	}

	static void fail_if(const std::error_code &e)
	{
#ifdef __cpp_exceptions
		if (e)
			throw std::system_error(e, pfring_last_error());
#else
		(void)e;
#endif
	}

	/* Whether batch_[at_] is a packet; fetches when all have been seen. */
	bool fill()
	{
		left_ = true;
		if (at_ < count_)
			return true;
		at_ = count_ = 0;
		int n = pfring_recv_batch(ring_, batch_.data(), static_cast<u_int>(batch_.size()),
					  -1);
		while (n == 0)
			n = pfring_recv_batch(ring_, batch_.data(),
					      static_cast<u_int>(batch_.size()), -1);
		if (n > 0) {
			count_ = static_cast<u_int>(n);
			return true;
		}
		left_ = false;
		error_ = n == -EINTR || n == -ENODATA
				 ? std::error_code()
				 : std::error_code(-n, std::generic_category());
		fail_if(error_);
		return false;
	}

	pfring *ring_ = nullptr;
	std::string name_;
	std::error_code error_;
	std::array<Packet, 64> batch_{};
	u_int at_ = 0, count_ = 0;
	bool left_ = false; /* batch_[at_] was handed out */
};

#endif /* PFRING_HPP */
