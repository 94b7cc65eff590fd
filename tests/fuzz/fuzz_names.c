/* SPDX-License-Identifier: BSD-3-Clause */
/* Device names: any text is either taken apart consistently or refused with a reason. */
#include "names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pfri_name name, again;
	char *text = strndup((const char *)data, size), full[sizeof(name) + 16];
	int err = pfri_name_parse(text, &name);

	free(text);
	if (err) {
		must(err == -EINVAL || err == -ENAMETOOLONG);
		must(errno == -err && pfring_last_error()[0]);
		return 0;
	}
	must(name.device[0] && name.queues);
	must(strnlen(name.backend, sizeof(name.backend)) < sizeof(name.backend));
	must(strnlen(name.device, sizeof(name.device)) < sizeof(name.device));
	if (!name.backend[0] && name.queues != RING_ANY_CHANNEL)
		must(strlen(name.device) < IFNAMSIZ);

	/* What was taken apart means the same when put together again. */
	snprintf(full, sizeof(full), "%s%s%s", name.backend, name.backend[0] ? ":" : "",
		 name.device);
	must(pfri_name_parse(full, &again) == 0);
	must(!strcmp(again.backend, name.backend) && !strcmp(again.device, name.device));
	must(again.queues == RING_ANY_CHANNEL);
	return 0;
}
