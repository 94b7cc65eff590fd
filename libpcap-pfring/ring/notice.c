/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notice.c - what a program says of itself, for others to read.
 *
 * Over the module it is a file in /proc/net/pf_ring/stats. Elsewhere it is a
 * file in memory that others open through /proc/PID/fd and that goes with the
 * handle, so nothing is ever left behind. Its descriptor is r->notice_fd.
 */
#include "handle.h"

static int keep(struct pfri_ring *r, const char *text)
{
	size_t len = strlen(text);

	if (r->notice_fd < 0)
		r->notice_fd = memfd_create("pfring-stats", MFD_CLOEXEC);
	/* Longer first, then cut: a reader in between sees old or new text, never none. */
	if (r->notice_fd < 0 || pwrite(r->notice_fd, text, len, 0) != (ssize_t)len ||
	    ftruncate(r->notice_fd, (off_t)len))
		return pfri_fail(-errno, "cannot keep the application's statistics: %s",
				 strerror(errno));
	return 0;
}

int pfring_set_application_stats(pfring *ring, const char *stats)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!stats)
		return pfri_fail(-EINVAL, "pfring_set_application_stats: no text was given");
	if (strlen(stats) >= PFRI_NOTICE)
		return pfri_fail(-E2BIG, "application statistics may have %d bytes, not %zu",
				 PFRI_NOTICE - 1, strlen(stats));
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	if (r->ops == &pfri_kernel_ops) {
		r->notice = stats;
		rc = r->ops->tell(r, PFRI_SET_APPSTATS);
		r->notice = NULL;
	} else {
		rc = keep(r, stats);
	}
	return pfri_leave_rx(r, rc);
}

char *pfring_get_appl_stats_file_name(pfring *ring, char *path, u_int path_len)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc, n;

	if (!path || !path_len) {
		pfri_fail(-EINVAL, "pfring_get_appl_stats_file_name: no room was given");
		return NULL;
	}
	if (pfri_enter_rx(r))
		return NULL;
	rc = r->ops == &pfri_kernel_ops || r->notice_fd >= 0 ? 0 : keep(r, "");
	if (r->ops == &pfri_kernel_ops)
		n = snprintf(path, path_len, "/proc/net/pf_ring/stats/%d-%s.%u", (int)getpid(),
			     r->name.device, r->id);
	else
		n = snprintf(path, path_len, "/proc/%d/fd/%d", (int)getpid(), r->notice_fd);
	if (!rc && n >= (int)path_len)
		rc = pfri_fail(-ENOSPC, "the file's name needs %d bytes, not %u", n + 1, path_len);
	return pfri_leave_rx(r, rc) ? NULL : path;
}
