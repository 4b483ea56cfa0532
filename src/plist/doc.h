/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_DOC_H
#define POMONA_PLIST_DOC_H

/* A document, for the files of this room. Threading: as plist.h. */

#include "native.h"

struct plist_doc {
	struct plist_node *root; /* owned */
};

/* A document of the root, which it takes and sets to NULL. On failure NULL, and the root stays. */
struct plist_doc *plist_doc_of(struct plist_node **root);

#endif
