/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rules.c - the public calls for filtering rules (guide 7.10 to 7.12).
 *
 * Checks that a rule makes sense and hands it to whoever evaluates rules on
 * this path: the backend, or the library's own table (rule_table.c), or the
 * adapter (hw_filter.c), as the filtering mode says. Called by the handle's
 * owner, or by any thread with PF_RING_REENTRANT.
 */
#include "handle.h"
#include "hwrules.h"
#include "rules.h"

#define MAX_VLAN 4095

static const struct pfri_rule_ops *rules_of(const struct pfri_ring *r)
{
	return r->ops->rules ? r->ops->rules : &pfri_own_rules;
}

static int bad_range(const char *which, u_int16_t low, u_int16_t high)
{
	return high && low > high
		       ? pfri_fail(-EINVAL, "the %s ports go from %u to %u: give the lower first",
				   which, low, high)
		       : 0;
}

/* What wildcard and hash rules have in common. */
static int bad_action(rule_action_behaviour action, const char name[REFLECTOR_NAME_LEN])
{
	if ((unsigned)action > bounce_packet_and_continue_rule_evaluation)
		return pfri_fail(-EINVAL, "%d is no action of a rule", (int)action);
	if (strnlen(name, REFLECTOR_NAME_LEN) == REFLECTOR_NAME_LEN)
		return pfri_fail(-EINVAL, "the rule's reflector_device_name has no end");
	if (action >= reflect_packet_and_stop_rule_evaluation && !name[0])
		return pfri_fail(-EINVAL, "the rule reflects packets and names no device for them");
	return 0;
}

static int bad_rule(const filtering_rule *rule)
{
	const filtering_rule_core_fields *c = &rule->core_fields;
	int rc = bad_action(rule->rule_action, rule->reflector_device_name);

	if (!rc && c->vlan_id > MAX_VLAN)
		rc = pfri_fail(-EINVAL, "%u is no VLAN: they end at %d", c->vlan_id, MAX_VLAN);
	if (!rc)
		rc = bad_range("source", c->sport_low, c->sport_high);
	if (!rc)
		rc = bad_range("destination", c->dport_low, c->dport_high);
	if (!rc && rule->balance_pool && rule->balance_id >= rule->balance_pool)
		rc = pfri_fail(-EINVAL, "balance_id %u is outside a balance_pool of %u",
			       rule->balance_id, rule->balance_pool);
	return rc;
}

static int bad_hash_rule(const hash_filtering_rule *rule)
{
	if (rule->ip_version != 0 && rule->ip_version != 4 && rule->ip_version != 6)
		return pfri_fail(-EINVAL, "%u is no IP version of a hash rule: it is 4 or 6",
				 rule->ip_version);
	if (rule->vlan_id > MAX_VLAN)
		return pfri_fail(-EINVAL, "%u is no VLAN: they end at %d", rule->vlan_id, MAX_VLAN);
	return bad_action(rule->rule_action, rule->reflector_device_name);
}

int pfring_set_filtering_mode(pfring *ring, filtering_mode mode)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (mode > software_only)
		return pfri_fail(-EINVAL, "%d is no filtering mode", (int)mode);
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	if (mode == hardware_only)
		rc = pfri_hw_possible(r);
	if (!rc)
		r->filtering = mode;
	return pfri_leave_rx(r, rc);
}

/*
 * After the software has taken a rule and the adapter has not: what no adapter
 * can do, or this one cannot, software does alone. Another failure is the call's.
 */
static bool without_adapter(int rc)
{
	return !rc || rc == -EOPNOTSUPP;
}

static int add_rule(struct pfri_ring *r, filtering_rule *rule)
{
	const struct pfri_rule_ops *software = rules_of(r);
	const u_int16_t asked = rule->rule_id;
	int rc;

	if (r->filtering == hardware_only)
		return pfri_hw_add(r, rule, false);
	if (asked != FILTERING_RULE_AUTO_RULE_ID && pfri_hw_has(r, asked))
		return pfri_fail(-EEXIST, "the adapter has a rule %u of this ring already", asked);
	rc = software->add(r, rule);
	if (rc || r->filtering == software_only)
		return rc;
	rc = pfri_hw_add(r, rule, true);
	if (without_adapter(rc))
		return 0;
	software->remove(r, rule->rule_id);
	rule->rule_id = asked;
	return rc;
}

static int add_flow(struct pfri_ring *r, const hash_filtering_rule *rule)
{
	const struct pfri_rule_ops *software = rules_of(r);
	int rc;

	if (r->filtering == hardware_only)
		return pfri_hw_add_flow(r, rule, false);
	if (pfri_hw_has_flow(r, rule))
		return pfri_fail(-EEXIST, "the adapter has a rule for this flow already");
	rc = software->hash(r, rule, true);
	if (rc || r->filtering == software_only)
		return rc;
	rc = pfri_hw_add_flow(r, rule, true);
	if (without_adapter(rc))
		return 0;
	software->hash(r, rule, false);
	return rc;
}

/* A rule that the adapter gave back need not be in software. */
static int remove_both(int adapter, int software)
{
	return adapter == 0 && software == -ENOENT ? 0 : software;
}

static int remove_rule(struct pfri_ring *r, u_int16_t id)
{
	int rc = pfri_hw_remove(r, id);

	return rc && rc != -ENOENT ? rc : remove_both(rc, rules_of(r)->remove(r, id));
}

static int remove_flow(struct pfri_ring *r, const hash_filtering_rule *rule)
{
	int rc = pfri_hw_remove_flow(r, rule);

	return rc && rc != -ENOENT ? rc : remove_both(rc, rules_of(r)->hash(r, rule, false));
}

static int no_counts(void)
{
	return pfri_fail(-EOPNOTSUPP, "the rule is in the adapter alone, which does not count");
}

static int purge(pfring *ring, bool hash, u_int16_t seconds)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	if (rc)
		return rc;
	rc = rules_of(r)->purge(r, hash, seconds);
	if (!rc)
		rc = pfri_hw_purge(r, hash, !seconds, rules_of(r));
	return pfri_leave_rx(r, rc);
}

int pfring_add_filtering_rule(pfring *ring, filtering_rule *rule_to_add)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!rule_to_add)
		return pfri_fail(-EINVAL, "pfring_add_filtering_rule: no rule was given");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	rc = bad_rule(rule_to_add);
	if (!rc)
		rc = add_rule(r, rule_to_add);
	return pfri_leave_rx(r, rc);
}

int pfring_remove_filtering_rule(pfring *ring, u_int16_t rule_id)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	return rc ? rc : pfri_leave_rx(r, remove_rule(r, rule_id));
}

int pfring_get_filtering_rule_stats(pfring *ring, u_int16_t rule_id, char *stats, u_int *stats_len)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!stats_len || (!stats && *stats_len))
		return pfri_fail(-EINVAL,
				 "pfring_get_filtering_rule_stats: no room or no length was given");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	rc = rules_of(r)->stats(r, rule_id, stats, stats_len);
	if (rc == -ENOENT && pfri_hw_has(r, rule_id))
		rc = no_counts();
	return pfri_leave_rx(r, rc);
}

int pfring_purge_idle_rules(pfring *ring, u_int16_t inactivity_sec)
{
	return purge(ring, false, inactivity_sec);
}

int pfring_handle_hash_filtering_rule(pfring *ring, hash_filtering_rule *rule_to_add, u_char add)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!rule_to_add)
		return pfri_fail(-EINVAL, "pfring_handle_hash_filtering_rule: no rule was given");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	rc = bad_hash_rule(rule_to_add);
	if (!rc)
		rc = add ? add_flow(r, rule_to_add) : remove_flow(r, rule_to_add);
	return pfri_leave_rx(r, rc);
}

/* In brackets: the name with arguments is a macro (pfring.h). */
int(pfring_get_hash_filtering_rule_stats)(pfring *ring, hash_filtering_rule *rule, char *stats,
					  u_int *stats_len)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!rule || !stats_len || (!stats && *stats_len))
		return pfri_fail(-EINVAL, "pfring_get_hash_filtering_rule_stats: no rule, no room "
					  "or no length was given");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	rc = bad_hash_rule(rule);
	if (!rc)
		rc = rules_of(r)->hash_stats(r, rule, stats, stats_len);
	if (rc == -ENOENT && pfri_hw_has_flow(r, rule))
		rc = no_counts();
	return pfri_leave_rx(r, rc);
}

int pfring_purge_idle_hash_rules(pfring *ring, u_int16_t inactivity_sec)
{
	return purge(ring, true, inactivity_sec);
}

int pfring_toggle_filtering_policy(pfring *ring, u_int8_t rules_default_accept_policy)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	return rc ? rc : pfri_leave_rx(r, rules_of(r)->policy(r, rules_default_accept_policy != 0));
}

int pfring_set_reflector_device(pfring *ring, char *device_name)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	return rc ? rc : pfri_leave_rx(r, rules_of(r)->reflector(r, device_name));
}

pfring *pfring_open_consumer(const char *device_name, u_int32_t caplen, u_int32_t flags,
			     u_int8_t consumer_plugin_id, char *consumer_data,
			     u_int consumer_data_len)
{
	filtering_rule rule;
	char why[PFRI_ERRLEN];
	pfring *ring;
	int rc;

	if (consumer_data_len > FILTER_PLUGIN_DATA_LEN || (consumer_data_len && !consumer_data)) {
		errno = -pfri_fail(-EINVAL, "a plugin's filter takes up to %d bytes",
				   FILTER_PLUGIN_DATA_LEN);
		return NULL;
	}
	ring = pfring_open(device_name, caplen, flags);
	if (!ring || !consumer_plugin_id)
		return ring;
	memset(&rule, 0, sizeof(rule));
	rule.rule_action = execute_action_and_continue_rule_evaluation;
	rule.plugin_action.plugin_id = consumer_plugin_id;
	if (consumer_data_len) {
		rule.extended_fields.filter_plugin_id = consumer_plugin_id;
		memcpy(rule.extended_fields.filter_plugin_data, consumer_data, consumer_data_len);
	}
	rc = pfring_add_filtering_rule(ring, &rule);
	if (!rc)
		return ring;
	snprintf(why, sizeof(why), "%s", pfring_last_error());
	pfring_close(ring);
	errno = -pfri_fail(rc, "%s", why);
	return NULL;
}
