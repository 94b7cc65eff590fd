/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * linktype.h - the two numberings of link types.
 *
 * Files and pfring_get_link_type() use LINKTYPE_ values, libpcap's calls use
 * DLT_ values. They differ only for a few types whose DLT_ value is not the
 * same on every system; programs mix both up, so each way accepts either.
 */
#ifndef PFRI_LINKTYPE_H
#define PFRI_LINKTYPE_H

#include <pcap/dlt.h>
#include <stddef.h>

#define PFRI_LINKTYPE_ETHERNET 1

static const struct {
	int dlt, linktype;
} pfri_linktypes[] = {
	{DLT_ATM_RFC1483, 100}, {DLT_RAW, 101},	     {DLT_SLIP_BSDOS, 102},
	{DLT_PPP_BSDOS, 103},	{DLT_ATM_CLIP, 106}, {DLT_PFSYNC, 246},
};

static inline int pfri_linktype_of(int dlt)
{
	for (size_t i = 0; i < sizeof(pfri_linktypes) / sizeof(pfri_linktypes[0]); i++)
		if (pfri_linktypes[i].dlt == dlt)
			return pfri_linktypes[i].linktype;
	return dlt;
}

static inline int pfri_dlt_of(int linktype)
{
	for (size_t i = 0; i < sizeof(pfri_linktypes) / sizeof(pfri_linktypes[0]); i++)
		if (pfri_linktypes[i].linktype == linktype)
			return pfri_linktypes[i].dlt;
	return linktype;
}

#endif /* PFRI_LINKTYPE_H */
