/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rule_slots.c - counters of rules in memory that a program in the kernel shares.
 *
 * The backend owns the memory (bpf_rules.c), a rule has the number of its slot.
 * A program on its way on another CPU may still count in a slot that was
 * given back: the one that rested longest is reused. Called with the handle held.
 */
#include "rules.h"

int pfri_slots_use(struct pfri_rule_slots *s, struct pfri_rule_slot *at, u_int32_t room,
		   u_int32_t used)
{
	u_int32_t *freed = mmap(NULL, room * sizeof(*freed), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (freed == MAP_FAILED)
		return -ENOMEM;
	pfri_slots_free(s);
	*s = (struct pfri_rule_slots){.at = at, .room = room, .fresh = used + 1, .freed = freed};
	return 0;
}

u_int32_t pfri_slot_take(struct pfri_rule_slots *s)
{
	u_int32_t slot;

	if (s->fresh < s->room)
		return s->fresh++;
	if (!s->n)
		return 0;
	slot = s->freed[s->first];
	s->first = (s->first + 1) % s->room;
	s->n--;
	s->at[slot] = (struct pfri_rule_slot){0};
	return slot;
}

void pfri_slot_give(struct pfri_rule_slots *s, u_int32_t slot)
{
	if (!slot)
		return;
	s->freed[(s->first + s->n) % s->room] = slot;
	s->n++;
}

void pfri_slots_free(struct pfri_rule_slots *s)
{
	if (s->freed)
		munmap(s->freed, s->room * sizeof(*s->freed));
	*s = (struct pfri_rule_slots){0};
}
