// A mailbox between its two threads: every letter arrives once, whole and in order, through the fewest places.
#include "producer/mailbox.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>

enum { LETTERS = 200000, WORDS = 4 };

struct letter {
	uint32_t words[WORDS];
};

static struct fc_mailbox mailbox;

static void *post(void *arg)
{
	uint32_t number, k;

	for (number = 0; number < LETTERS; number++) {
		struct letter letter;

		for (k = 0; k < WORDS; k++)
			letter.words[k] = number + k;
		while (!fc_mailbox_post(&mailbox, &letter))
			sched_yield();
	}
	return arg;
}

int main(void)
{
	pthread_t writer;
	uint32_t number, k;

	assert(fc_mailbox_open(&mailbox, 2, sizeof(struct letter)) == 0);
	assert(pthread_create(&writer, NULL, post, NULL) == 0);
	for (number = 0; number < LETTERS; number++) {
		struct letter letter;

		while (!fc_mailbox_collect(&mailbox, &letter))
			sched_yield();
		for (k = 0; k < WORDS; k++)
			assert(letter.words[k] == number + k);
	}
	pthread_join(writer, NULL);
	fc_mailbox_close(&mailbox);
	return 0;
}
