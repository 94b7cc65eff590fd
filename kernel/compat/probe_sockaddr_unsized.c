// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if proto_ops.bind() takes struct sockaddr_unsized. */
#include <linux/net.h>

static int probe_bind(struct socket *sock, struct sockaddr_unsized *addr, int len)
{
	return 0;
}

const struct proto_ops probe_ops = {.bind = probe_bind};
