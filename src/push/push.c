/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/push/push.h"
