/** How a careless handler must end: its row parked with this reason, or confirmed with its write. */
export type Ending = { readonly is: 'parked'; readonly reason: RegExp } | { readonly is: 'confirmed' }

/** A handler of `handlers/careless.js`. */
export interface CarelessHandler {
  readonly kind: string
  readonly ending: Ending
}

/** One kind of carelessness, in one or more ways. */
export interface Carelessness {
  readonly name: string
  /** Few of them: each costs a process, seconds, or many rows. */
  readonly isRare: boolean
  readonly handlers: readonly CarelessHandler[]
}

const parked = (kind: string, reason: RegExp): CarelessHandler => ({ kind, ending: { is: 'parked', reason } })
const confirmed = (kind: string): CarelessHandler => ({ kind, ending: { is: 'confirmed' } })

const PROCESS_DIED = /process (died|ended)|event loop/i
const NOT_FINISHED = /timeout|did not finish/i
const ENDED_TRANSACTION = /ended transaction/i
const STRAY_STATEMENT = /stray statement|aborted transaction|unawaited/i

/** The twelve kinds, with what their reasons must say. */
export const CARELESSNESSES: readonly Carelessness[] = [
  {
    name: 'swallowed unique violation',
    isRare: false,
    handlers: [parked('swallowed-violation', /aborted transaction/i)],
  },
  { name: 'deferred constraint', isRare: false, handlers: [parked('deferred-constraint', /constraint/i)] },
  {
    name: 'raw COMMIT',
    isRare: false,
    handlers: [
      parked('raw-commit', /refused commit/i),
      // It has caught the refusal, so that its transaction is found ended at the next statement.
      parked('raw-commit-and-on', /refused commit|ended transaction/i),
    ],
  },
  {
    name: 'raw ROLLBACK',
    isRare: false,
    handlers: [
      parked('raw-rollback', ENDED_TRANSACTION),
      parked('raw-rollback-and-begin', ENDED_TRANSACTION),
      parked('raw-rollback-and-chain', ENDED_TRANSACTION),
    ],
  },
  {
    name: 'stray statement',
    isRare: false,
    handlers: [parked('stray-at-once', STRAY_STATEMENT), parked('stray-later', STRAY_STATEMENT)],
  },
  {
    name: 'endless loop',
    isRare: true,
    handlers: [parked('endless-loop', PROCESS_DIED), parked('endless-microtasks', PROCESS_DIED)],
  },
  {
    name: '5 MB error text with NULs',
    isRare: false,
    handlers: [parked('long-error', /a very long error of the drill/)],
  },
  {
    name: 'throws',
    isRare: false,
    handlers: [
      parked('throws-error', /refused by the drill/),
      // Not even a text can be made of what it throws.
      parked('throws-odd-object', /\S/),
    ],
  },
  {
    name: 'kills the process',
    isRare: true,
    handlers: [
      parked('kills-process', /process (died|ended)/i),
      parked('exits-process', /process (died|ended)/i),
    ],
  },
  {
    name: 'never returns',
    isRare: true,
    handlers: [parked('never-returns', NOT_FINISHED), parked('never-returns-in-sql', NOT_FINISHED)],
  },
  {
    name: 'changes the session',
    isRare: false,
    handlers: [
      'session-setting',
      'session-statement-timeout',
      'session-search-path',
      'session-temporary-table',
      'session-advisory-lock',
      'session-read-only',
      'session-role',
    ].map(confirmed),
  },
  { name: 'writes 10^5 rows', isRare: true, handlers: [confirmed('bulk-write')] },
]
