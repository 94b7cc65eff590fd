/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sys.c - raw bpf(2) calls; see sys.h. No state; any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long rc;

	/* A program load that a signal interrupts says EAGAIN; nothing has happened then. */
	for (int tries = 0; tries < 5; tries++) {
		rc = syscall(SYS_bpf, cmd, attr, sizeof(*attr));
		if (rc >= 0)
			return (int)rc;
		if (errno != EAGAIN)
			break;
	}
	return -errno;
}

int pfri_bpf_map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries,
		 uint32_t flags, const char *name)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = key;
	attr.value_size = value;
	attr.max_entries = entries;
	attr.map_flags = flags;
	snprintf(attr.map_name, sizeof(attr.map_name), "%s", name);
	return bpf(BPF_MAP_CREATE, &attr);
}

int pfri_bpf_load(const struct bpf_insn *insn, unsigned len, const char *name, char *log,
		  size_t log_size)
{
	union bpf_attr attr;
	int fd, err;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)insn;
	attr.insn_cnt = len;
	attr.license = (uintptr_t) "BSD-3-Clause";
	snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0 || !log)
		return fd;
	/* Once more for the log: it costs time, so the first try goes without. */
	err = fd;
	log[0] = 0;
	attr.log_buf = (uintptr_t)log;
	attr.log_size = (uint32_t)log_size;
	attr.log_level = 1;
	fd = bpf(BPF_PROG_LOAD, &attr);
	log[log_size - 1] = 0;
	return fd >= 0 ? fd : err;
}

int pfri_bpf_test_run(int prog, const void *frame, uint32_t len, uint32_t *ret)
{
	union bpf_attr attr;
	int rc;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)prog;
	attr.test.data_in = (uintptr_t)frame;
	attr.test.data_size_in = len;
	attr.test.repeat = 1;
	rc = bpf(BPF_PROG_TEST_RUN, &attr);
	*ret = attr.test.retval;
	return rc;
}
