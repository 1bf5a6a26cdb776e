import type { ShownStatus } from './answers.ts'

export interface StatusWords {
  readonly label: string
  readonly meaning: string
  readonly advice: string
}

/** In the order in which they are offered: what may need somebody first. */
export const STATUS_WORDS: Readonly<Record<ShownStatus, StatusWords>> = {
  pending: {
    label: 'Pending',
    meaning: 'Being checked: confirmd looks at the chain until there is a final receipt.',
    advice: 'Nothing to do. If it takes long, its own page says why it is pending.',
  },
  parked: {
    label: 'Parked',
    meaning:
      'Set aside: its business write failed too often, or nobody handles its kind. Neither verdict nor write is committed.',
    advice:
      'Read the last error, fix the business write, then press “Check again”. Where a handler was missing, it goes on by itself once a worker has one.',
  },
  stalled: {
    label: 'Stalled',
    meaning:
      'The retry limit is reached and no node has a receipt. This is no verdict: it is still looked at, slowly, and a late block still counts.',
    advice: 'Make sure that it was really sent; if not, send it. “Check again” starts the quick looks anew.',
  },
  expired: {
    label: 'Expired',
    meaning: 'Stalled for long, and still absent at the nodes. A late block would still count.',
    advice:
      'It was probably dropped or never sent. If you send another in its place, use the same nonce: then only one of the two can happen.',
  },
  failed: {
    label: 'Failed',
    meaning: 'A final receipt says that the chain reverted it. No write for success was made.',
    advice: 'The reason is told with it. This can’t change any more: to try again, send a new transaction.',
  },
  replaced: {
    label: 'Replaced',
    meaning:
      'Another transaction with the same sender and nonce is final. Should a final receipt of this one appear all the same, it wins.',
    advice: 'If nobody replaced it on purpose, find out what else signs for this account.',
  },
  confirmed: {
    label: 'Confirmed',
    meaning: 'A final receipt says success; the business write, if its kind has one, is committed with it.',
    advice: 'Nothing to do.',
  },
}

export const SHOWN_STATUSES = Object.keys(STATUS_WORDS) as readonly ShownStatus[]

export function isShownStatus(text: string | null): text is ShownStatus {
  return text !== null && text in STATUS_WORDS
}
