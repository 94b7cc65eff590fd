/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pages.h - memory of batches: whole pages, used again by the next batch.
 *
 * A batch writes each of its bytes once. In fresh memory the page faults cost
 * more than that, and the caches are cold; what the batch before has given back
 * has neither trouble. Any thread, with or without the GIL.
 */
#ifndef PFRING_PY_PAGES_H
#define PFRING_PY_PAGES_H

#include <cstddef>

class Pages
{
      public:
	/* zero: all its bytes are 0; else they are anything. Throws std::bad_alloc. */
	explicit Pages(size_t bytes, bool zero = false);
	~Pages();
	Pages(const Pages &) = delete;
	Pages &operator=(const Pages &) = delete;

	/* Of zero memory: something was written, so it is not zero for the next one. */
	void soil()
	{
		soiled = true;
	}

	char *data;
	size_t bytes; /* at least as many as were asked for */

      private:
	const bool zero;
	bool soiled = false;
};

#endif /* PFRING_PY_PAGES_H */
