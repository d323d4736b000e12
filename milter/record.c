/* SPDX-License-Identifier: ISC */
#include "complaint.h"
#include "record.h"
#include "tagger.h"

void
record_missed(const char *queue_id, const char *why)
{
	complaint_missed(queue_id, why);
	tagger_missed();
}

static void
hand_over(struct message *message, const char *queue_id, const char *client)
{
	char why[WRITER_FAULT_SIZE] = "out of memory";
	struct note *note;

	recipients_sort(&message->recipients);
	note = note_new(message, queue_id, client);
	if (note == NULL || !tagger_take(&note, why)) {
		record_missed(queue_id, why);
		notes_free(&note);
	}
}

void
record_message(
    struct message *message, const char *queue_id, const char *client)
{
	if (message->broken)
		record_missed(queue_id, "out of memory");
	else if (message->recipients.count > 0 && queue_id == NULL)
		record_missed(NULL,
		    "the mail system gives no queue id (is \"i\" in "
		    "milter_end_of_data_macros?)");
	else if (message->recipients.count > 0)
		hand_over(message, queue_id, client);
	message_clear(message);
}
