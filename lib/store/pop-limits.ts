/** A message that was delivered so often is a dead letter, unless the group says otherwise. */
export const DEFAULT_MAX_ATTEMPTS = 16
/** No more offsets of one queue than this may be leased or returned. */
export const DEFAULT_MAX_OUTSTANDING = 32768
