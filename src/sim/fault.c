/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <stdio.h>
#include <string.h>

#include "apns_fault.h"
#include "control_socket.h"
#include "pomona/json/json.h"

/* A first word without `=` is what to do. */
enum rc fault_line(const char *const *words, size_t count, struct buf *out, struct err *err)
{
	AUTO(json_free) struct json_value *line = json_new_object();
	bool has_verb = count > 0 && strchr(words[0], '=') == NULL;
	const char *verb = has_verb ? words[0] : "set";
	struct json_value *object = line;
	enum rc rc;

	json_set_str(line, "do", verb);
	if (strcmp(verb, "set") == 0)
		object = json_set_object(line, "faults");
	rc = fault_words_read(words + has_verb, count - has_verb, object, err);
	return rc == RC_OK ? json_write(line, false, out, err) : rc;
}

/* What the simulator finds wrong is our failure, in its words. */
static enum rc take_answer(struct slice answer, struct err *err)
{
	AUTO(json_free) struct json_value *root = NULL;
	const struct json_value *fault;

	if (json_parse(answer, &root, err) != RC_OK)
		return err_context(err, "answer");
	fault = json_get(root, "error");
	if (fault != NULL)
		return err_set(err, RC_INVALID, "%.*s", SLICE_FMT(json_string(fault)));
	(void)printf("%.*s\n", SLICE_FMT(answer));
	return RC_OK;
}

enum rc send_fault(const struct options *options, struct err *err)
{
	struct buf line, answer;
	enum rc rc;

	buf_init(&line, CONTROL_LINE_BYTES_MAX);
	buf_init(&answer, CONTROL_ANSWER_BYTES_MAX);
	rc = fault_line(options->words, options->word_count, &line, err);
	if (rc == RC_OK)
		rc = control_ask(options->control, buf_slice(&line), &answer, err);
	if (rc == RC_OK)
		rc = take_answer(buf_slice(&answer), err);
	buf_fini(&line);
	buf_fini(&answer);
	return rc;
}
