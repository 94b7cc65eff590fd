// SPDX-License-Identifier: GPL-2.0-only
/*
 * sip.c - plugin: SIP messages by method, caller, called and call-id (RFC 3261).
 *
 * As filter it parses the start line and four headers of a message that lies
 * in one packet; as handler it counts messages by method. Nothing in a packet
 * or in a rule is believed: every step stays inside the bytes that are there,
 * and text of a rule need not end with a NUL.
 */
#include <linux/ctype.h>

#include "pf_ring_plugin.h"
#include "../uapi/pf_ring_plugins.h"

#define MAX_MESSAGE 1536 /* of one packet, the rest is not looked at */

struct text {
	const char *at;
	u32 len;
};

/* One message; the texts lie in its own copy of the bytes. */
struct message {
	u32 method;
	struct text caller, called, call_id;
	u32 len;
	char bytes[];
};

static const char *const names[] = {
	[method_invite] = "INVITE",    [method_ack] = "ACK",
	[method_bye] = "BYE",	       [method_cancel] = "CANCEL",
	[method_options] = "OPTIONS",  [method_register] = "REGISTER",
	[method_prack] = "PRACK",      [method_subscribe] = "SUBSCRIBE",
	[method_notify] = "NOTIFY",    [method_publish] = "PUBLISH",
	[method_info] = "INFO",	       [method_refer] = "REFER",
	[method_message] = "MESSAGE",  [method_update] = "UPDATE",
	[method_response] = "SIP/2.0",
};

static bool is_text(struct text t, const char *what)
{
	return t.len == strlen(what) && !strncasecmp(t.at, what, t.len);
}

/* All before the first sep, which is taken off as well; everything if there is none. */
static struct text cut(struct text *from, char sep)
{
	const char *end = memchr(from->at, sep, from->len);
	struct text head = {from->at, end ? end - from->at : from->len};
	u32 used = head.len + !!end;

	from->at += used;
	from->len -= used;
	return head;
}

static struct text trim(struct text t)
{
	while (t.len && isspace(*t.at)) {
		t.at++;
		t.len--;
	}
	while (t.len && isspace(t.at[t.len - 1]))
		t.len--;
	return t;
}

/* user@host of  "Name" <sip:user@host:port;x=y>;tag=z  or of  sip:user@host;tag=z  */
static struct text address(struct text value)
{
	struct text before = value, rest = value;

	cut(&rest, '<');
	if (rest.len)
		before = cut(&rest, '>');
	rest = cut(&before, ';');
	cut(&rest, ':'); /* the scheme */
	return trim(rest);
}

/* The start line: a request's method, or that it is an answer. */
static bool parse_start(struct message *m, struct text line)
{
	static const char version[] = "SIP/2.0";
	struct text word = cut(&line, ' ');
	u32 i;

	line = trim(line);
	for (i = method_invite; i <= method_last; i++)
		if (is_text(word, names[i]))
			m->method = i;
	if (m->method == method_response)
		return true;
	return word.len && line.len >= sizeof(version) - 1 &&
	       !strncasecmp(line.at + line.len - (sizeof(version) - 1), version,
			    sizeof(version) - 1);
}

static bool parse(struct message *m)
{
	struct text rest = {m->bytes, m->len};

	if (!parse_start(m, cut(&rest, '\n')))
		return false;
	while (rest.len) {
		struct text value = trim(cut(&rest, '\n')), name;

		if (!value.len)
			break; /* the body */
		name = trim(cut(&value, ':'));
		value = trim(value);
		if (is_text(name, "From") || is_text(name, "f"))
			m->caller = address(value);
		else if (is_text(name, "To") || is_text(name, "t"))
			m->called = address(value);
		else if (is_text(name, "Call-ID") || is_text(name, "i"))
			m->call_id = value;
	}
	return true;
}

/* The packet's message, parsed now or by the rule before; NULL if it is none. */
static const struct message *message_of(const struct pfring_pkthdr *hdr, const struct sk_buff *skb,
					int displ, struct parse_buffer **parse_memory)
{
	int off = hdr->extended_hdr.parsed_pkt.offset.payload_offset;
	struct message *m;
	u32 len;

	if (!*parse_memory) {
		if (off < 0 || displ + off >= (int)skb->len)
			return NULL;
		len = min_t(u32, skb->len - displ - off, MAX_MESSAGE);
		m = pfring_parse_alloc(parse_memory, sizeof(*m) + len);
		if (!m || skb_copy_bits(skb, displ + off, m->bytes, len))
			return NULL;
		m->len = len;
		if (!parse(m))
			m->len = 0; /* known not to be one */
	}
	m = (*parse_memory)->mem;
	return m->len ? m : NULL;
}

/* want: user or user@host, not longer than max. Hosts know no upper and lower case, users do. */
static bool address_is(struct text t, const char *want, size_t max)
{
	struct text host = t, user = cut(&host, '@');
	size_t len = strnlen(want, max), at = user.len;

	if (!len)
		return true;
	if (len < at || memcmp(user.at, want, at))
		return false;
	if (len == at)
		return true;
	if (want[at] != '@')
		return false;
	if (!memchr(want + at + 1, ':', len - at - 1))
		host = cut(&host, ':');
	return host.len == len - at - 1 && !strncasecmp(host.at, want + at + 1, host.len);
}

static int sip_filter(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		      struct pfring_pkthdr *hdr, struct sk_buff *skb, int displ,
		      struct parse_buffer **parse_memory)
{
	const struct sip_filter *filter = (const void *)rule->filter_plugin_data;
	const struct message *m = message_of(hdr, skb, displ, parse_memory);
	size_t len = strnlen(filter->call_id, sizeof(filter->call_id));

	return m && (!filter->method || m->method == filter->method) &&
	       address_is(m->caller, filter->caller, sizeof(filter->caller)) &&
	       address_is(m->called, filter->called, sizeof(filter->called)) &&
	       (!len || (m->call_id.len == len && !memcmp(m->call_id.at, filter->call_id, len)));
}

static int sip_handle(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		      sw_filtering_hash_bucket *hash_rule, struct pfring_pkthdr *hdr,
		      struct sk_buff *skb, int displ, u_int16_t filter_plugin_id,
		      struct parse_buffer **parse_memory, rule_action_behaviour *behaviour)
{
	struct parse_buffer *own = NULL, **memory = &own;
	const struct message *m;
	struct sip_stats *stats;

	stats = pfring_rule_memory(rule, hash_rule, sizeof(*stats));
	if (!stats)
		return -ENOMEM;
	if (filter_plugin_id == SIP_PLUGIN_ID)
		memory = parse_memory;
	m = message_of(hdr, skb, displ, memory);
	if (m)
		stats->messages[m->method]++;
	else
		stats->malformed++;
	if (own) {
		kfree(own->mem);
		kfree(own);
	}
	return 0;
}

static int sip_stats(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		     sw_filtering_hash_bucket *hash_rule, u_char *buffer, u_int len)
{
	return pfring_rule_copy(rule, hash_rule, buffer, len, sizeof(struct sip_stats));
}

static struct pfring_plugin_registration registration = {
	.plugin_id = SIP_PLUGIN_ID,
	.name = "sip",
	.description = "SIP protocol analyzer",
	.pfring_plugin_filter_skb = sip_filter,
	.pfring_plugin_handle_skb = sip_handle,
	.pfring_plugin_get_stats = sip_stats,
	.pfring_plugin_free_rule_mem = pfring_rule_kfree,
};

static_assert(sizeof(struct sip_filter) <= FILTER_PLUGIN_DATA_LEN);

module_pfring_plugin(registration);
MODULE_DESCRIPTION("pf_ring plugin: SIP protocol analyzer");
MODULE_LICENSE("GPL");
