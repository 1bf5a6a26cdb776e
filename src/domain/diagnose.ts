import { claimProblem } from './claim.ts'
import type { Finding, NodeExamination } from './diagnosis.ts'
import type { Look } from './look.ts'
import type { Transaction } from './transaction.ts'

/** What a diagnosis is made of. */
export interface Examined {
  readonly transaction: Transaction
  /** The oldest first. */
  readonly looks: readonly Look[]
  /** Null if this process has no node to ask. */
  readonly nodes: readonly NodeExamination[] | null
  /** Processes that check, heard of lately. */
  readonly workers: number
  /** Checks that are due, in the queue or in the table; null if that can't be told. */
  readonly waitingChecks: number | null
}

export interface DiagnosisPolicy {
  readonly retryLimit: number
  readonly finalityDepthBlocks: number
  readonly expireAfterMs: number
}

type Kind = Pick<Finding, 'code' | 'severity'>

/** Kaia's nodes drop a transaction that can't be executed, because of a gap before its nonce, after this. */
const EVICTED_AFTER_MS = 300_000
/** In a pool for longer than this is long for a chain with a block each second. */
const LONG_IN_POOL_MS = 30_000
/** A look that is due for longer than this is late. */
const LATE_MS = 5_000

/** Why a transaction is where it is, what explains most first; never empty. */
export function diagnose(examined: Examined, policy: DiagnosisPolicy, now: Date): Finding[] {
  const { transaction } = examined
  if (isSettled(transaction)) return [...claimFindings(transaction), settled(transaction)]
  const found = [
    ...claimFindings(transaction),
    ...businessWriteFindings(transaction, examined.looks),
    ...stepFindings(transaction, policy),
    ...workerFindings(examined),
    ...chainFindings(examined, policy, now),
    ...queueFindings(examined, policy, now),
  ]
  const weight = { problem: 0, waiting: 1, fine: 2 }
  return found.toSorted((a, b) => weight[a.severity] - weight[b.severity])
}

function finding(kind: Kind, text: string, advice: string, details: Finding['details'] = {}): Finding {
  return { ...kind, text, advice, details }
}

function isSettled({ status }: Transaction): boolean {
  return status === 'confirmed' || status === 'failed' || status === 'replaced'
}

/** Of the caller's words against the chain's. */
function claimFindings({ sender, nonce, seen }: Transaction): Finding[] {
  const problem = seen && claimProblem({ sender, nonce }, seen)
  if (!problem) return []
  return [
    finding(
      { code: 'claim-differs', severity: 'problem' },
      `It is not what was registered: ${problem}.`,
      'What the chain shows counts. See that the backend registers the hash of the transaction that it means.',
      { claimed: { sender, nonce }, seen },
    ),
  ]
}

const WRITES = {
  done: 'and its business write is committed',
  none: 'without a business write: its kind had none to run',
  unknown: 'whether its business write ran is not recorded, since an older version settled it',
} as const

function settled({ status, failure, inclusion, writeState, replacedBy, lastError }: Transaction): Finding {
  const kind: Kind = { code: 'settled', severity: 'fine' }
  const block = inclusion ? ` in block ${inclusion.blockNumber}` : ''
  if (status === 'confirmed') {
    return finding(
      kind,
      `It succeeded${block}; ${WRITES[writeState ?? 'unknown']}.`,
      writeState === 'none'
        ? "If its kind should have had one, 'confirmd write' runs it, once."
        : 'Nothing is to be done.',
      { writeState },
    )
  }
  if (status === 'failed') {
    const why = failure ? ` (${failure.name})` : ''
    const advice = 'It will never succeed: mend the cause and send a new transaction.'
    return finding(kind, `It was reverted${block}${why}.`, advice, { failure, writeState })
  }
  const by = replacedBy ? ` (${replacedBy})` : ''
  const unknown = replacedBy === null && lastError ? ` Which one it was is not known: ${lastError}.` : ''
  return finding(
    kind,
    `Another transaction of the same sender with the same nonce is final${by}.${unknown} Should a final receipt of this one appear all the same, it wins.`,
    "Look at the sender's other transaction: most often it is the same one sent again with a higher gas price.",
    { replacedBy },
  )
}

function businessWriteFindings(transaction: Transaction, looks: readonly Look[]): Finding[] {
  const { parkedAt, handlerAttempts, lastError, kind } = transaction
  const details = { kind, handlerAttempts, lastError }
  const error = lastError ?? 'its error was not kept'
  if (parkedAt) {
    const what =
      handlerAttempts > 0 ? `Its business write failed ${handlerAttempts} times` : 'It is set aside'
    const advice = `Mend what the error names (the handler of kind '${kind}' or its tables), then recheck it. Nothing was written, and nothing is lost.`
    return [
      finding(
        { code: 'parked', severity: 'problem' },
        `${what}; it waits for a person: ${error}.`,
        advice,
        details,
      ),
    ]
  }
  if (looks.at(-1)?.reason !== 'handler-failed') return []
  return [
    finding(
      { code: 'business-write-failing', severity: 'problem' },
      `It is final on the chain, but its business write fails (${handlerAttempts} so far): ${error}.`,
      `Mend the handler of kind '${kind}' or its tables. It is tried again by itself, and verdict and write are committed together.`,
      details,
    ),
  ]
}

function stepFindings({ status, stalledAt, retryCount }: Transaction, policy: DiagnosisPolicy): Finding[] {
  if (status === 'stalled') {
    const until = stalledAt && new Date(stalledAt.getTime() + policy.expireAfterMs).toISOString()
    return [
      finding(
        { code: 'stalled', severity: 'problem' },
        `${retryCount} looks found no receipt, so it is looked at less often.`,
        'See below what the chain knows of it. If you send it again it is noticed by itself; a recheck looks at once.',
        { retryCount, expiresAt: until },
      ),
    ]
  }
  if (status !== 'expired') return []
  return [
    finding(
      { code: 'expired', severity: 'problem' },
      'It was absent from the chain for so long that it is given up. A late block would still win.',
      'Send a new transaction. If this one may still arrive, recheck it.',
      { stalledAt: stalledAt?.toISOString() ?? null },
    ),
  ]
}

function workerFindings({ workers }: Examined): Finding[] {
  if (workers > 0) return []
  return [
    finding(
      { code: 'nobody-works', severity: 'problem' },
      'No worker was heard of in the last 30 s, so nobody looks at the chain.',
      "Start one with 'confirmd worker', or look at the log of those that should run.",
    ),
  ]
}

function chainFindings(examined: Examined, policy: DiagnosisPolicy, now: Date): Finding[] {
  const { nodes } = examined
  if (!nodes) {
    const last = examined.looks.at(-1)
    const text = last ? `the last look, at ${last.at}, saw: ${last.saw}` : 'no look was made yet'
    return [
      finding(
        { code: 'no-node-to-ask', severity: 'waiting' },
        `This process has no RPC_URLS, so the chain was not asked; ${text}.`,
        'Set RPC_URLS for the API as for the workers, to have the chain asked here.',
        { lastLook: last ?? null },
      ),
    ]
  }
  const usable = nodes.filter(({ problem }) => problem === null)
  return [
    ...nodeFindings(nodes, usable.length),
    ...(usable.length > 0 ? sightings(examined, usable, policy, now) : []),
  ]
}

function nodeFindings(nodes: readonly NodeExamination[], usable: number): Finding[] {
  const unusable = nodes.filter(({ problem }) => problem !== null)
  if (unusable.length === 0) return []
  const isBehind = unusable.every((node) => node.isBehind)
  const said = unusable.map(({ node, problem }) => `${node}: ${problem}`).join('; ')
  const rest =
    usable > 0 ? `${usable} other(s) are used.` : 'No other is left, and nothing is decided meanwhile.'
  return [
    finding(
      {
        code: isBehind ? 'nodes-lagging' : 'nodes-unavailable',
        severity: usable > 0 ? 'waiting' : 'problem',
      },
      `${unusable.length} of ${nodes.length} node(s) can't be relied on (${said}). ${rest}`,
      'Look after these nodes, or add others to RPC_URLS. No attempt is spent while none answers.',
      { nodes: unusable.map(({ node, problem, headNumber }) => ({ node, problem, headNumber })) },
    ),
  ]
}

function sightings(
  { transaction, looks }: Examined,
  usable: readonly NodeExamination[],
  policy: DiagnosisPolicy,
  now: Date,
): Finding[] {
  const including = usable.find(({ blockNumber }) => blockNumber !== null)
  if (including) return [included(including, policy, transaction.parkedAt !== null)]
  const pooling = usable.find(({ known }) => known !== null)
  const ageMs = now.getTime() - transaction.createdAt.getTime()
  if (pooling?.known) return inPool(pooling.known, nextNonceOf(usable), ageMs)
  return absent(transaction, looks, usable, ageMs)
}

function nextNonceOf(usable: readonly NodeExamination[]): number | null {
  const nonces = usable.flatMap(({ nextNonce }) => nextNonce ?? [])
  return nonces.length > 0 ? Math.max(...nonces) : null
}

function included(
  { node, headNumber, blockNumber }: NodeExamination,
  policy: DiagnosisPolicy,
  isParked: boolean,
): Finding {
  const depth = Math.max(0, (headNumber ?? 0) - (blockNumber ?? 0))
  const missing = policy.finalityDepthBlocks - depth
  const details = { node, blockNumber, headNumber, finalityDepthBlocks: policy.finalityDepthBlocks }
  if (missing > 0) {
    return finding(
      { code: 'mined-not-final', severity: 'waiting' },
      `It is in block ${blockNumber}, and not final yet: ${missing} more block(s) have to follow.`,
      'Wait. If the block does not stay in the chain, it is looked for again.',
      { ...details, missingBlocks: missing },
    )
  }
  if (isParked) {
    const text = `It is final in block ${blockNumber}: only its business write is missing.`
    return finding(
      { code: 'receipt-final', severity: 'waiting' },
      text,
      'Recheck it once that is mended.',
      details,
    )
  }
  return finding(
    { code: 'receipt-final', severity: 'waiting' },
    `It is final in block ${blockNumber}; the next look will settle it.`,
    'Wait for the next look, or recheck it to have one at once.',
    details,
  )
}

function inPool(
  known: { sender: string; nonce: number },
  nextNonce: number | null,
  ageMs: number,
): Finding[] {
  const { sender, nonce } = known
  const details = { sender, nonce, nextNonce }
  if (nextNonce !== null && nonce > nextNonce) return nonceGap(sender, nonce, nextNonce, ageMs)
  const isLong = ageMs > LONG_IN_POOL_MS
  return [
    finding(
      { code: 'in-pool', severity: 'waiting' },
      'A node has it in its pool, in no block yet.',
      isLong
        ? 'That is long. Its gas price may be too low: send it again with a higher one and the same nonce.'
        : 'Wait: it should be in one of the next blocks.',
      details,
    ),
  ]
}

function nonceGap(sender: string, nonce: number, nextNonce: number, ageMs: number): Finding[] {
  const last = nonce - 1
  const missing = nextNonce === last ? `nonce ${nextNonce}` : `the nonces ${nextNonce} to ${last}`
  const details = { sender, nonce, nextNonce, missingNonces: { first: nextNonce, last } }
  const leftMs = EVICTED_AFTER_MS - ageMs
  return [
    finding(
      { code: 'nonce-gap', severity: 'problem' },
      `It has nonce ${nonce}, but ${missing} of ${sender} must be included before it.`,
      `Send the transaction(s) with ${missing}: all later ones of this sender wait for them.`,
      details,
    ),
    ...(leftMs > 0
      ? [
          finding(
            { code: 'evicted-soon', severity: 'problem' },
            `Kaia's nodes drop a transaction with a gap before its nonce after 5 minutes: about ${Math.ceil(leftMs / 1_000)} s are left, from its registration.`,
            'Close the gap before, or keep the signed transaction to send it again afterwards.',
            { leftMs },
          ),
        ]
      : []),
  ]
}

function absent(
  { sender, nonce, seen }: Transaction,
  looks: readonly Look[],
  usable: readonly NodeExamination[],
  ageMs: number,
): Finding[] {
  const known = seen ?? (sender !== null && nonce !== null ? { sender, nonce } : null)
  const nextNonce = nextNonceOf(usable)
  const asked = usable.map(({ node }) => node)
  const details = { nodes: asked, sender: known?.sender ?? sender, nonce: known?.nonce ?? nonce, nextNonce }
  if (known && nextNonce !== null && nextNonce > known.nonce) {
    return [
      finding(
        { code: 'nonce-used', severity: 'waiting' },
        `No node knows it, and its nonce ${known.nonce} is used up: the sender's next one is ${nextNonce}.`,
        'Another transaction has most likely replaced it. It is called replaced after repeated looks that agree.',
        details,
      ),
    ]
  }
  const noEvidence =
    known && nextNonce === null
      ? " The sender's nonce could not be read at any node, so that it was replaced could not be seen."
      : ''
  const wasInPool = seen !== null || looks.some(({ saw }) => saw === 'in-pool')
  const gap =
    known && nextNonce !== null && known.nonce > nextNonce
      ? nonceGap(known.sender, known.nonce, nextNonce, ageMs).slice(0, 1)
      : []
  if (wasInPool) {
    return [
      ...gap,
      finding(
        { code: 'evicted', severity: 'problem' },
        `A node had it in its pool, and none knows it any more: it was dropped.${noEvidence}`,
        'Send the same signed transaction again; its hash stays the same, and it is noticed by itself.',
        details,
      ),
    ]
  }
  return [
    ...gap,
    finding(
      { code: 'not-seen', severity: ageMs > LONG_IN_POOL_MS ? 'problem' : 'waiting' },
      `No node knows a transaction with this hash (asked: ${asked.join(', ')}).${noEvidence}`,
      'See whether it was sent at all, and to this chain. If so, send the same signed transaction again: its hash stays the same.',
      details,
    ),
  ]
}

function queueFindings(examined: Examined, { retryLimit }: DiagnosisPolicy, now: Date): Finding[] {
  const { status, nextCheckAt, retryCount, parkedAt } = examined.transaction
  if (parkedAt || !nextCheckAt) return []
  const lateMs = now.getTime() - nextCheckAt.getTime()
  const details = { nextCheckAt: nextCheckAt.toISOString(), retryCount, retryLimit }
  if (lateMs > LATE_MS) {
    const { waitingChecks, workers } = examined
    const others = waitingChecks === null ? '' : ` ${waitingChecks} check(s) are due.`
    return [
      finding(
        { code: 'queue-behind', severity: 'waiting' },
        `Its next look was due ${Math.round(lateMs / 1_000)} s ago.${others} ${workers} worker(s) run.`,
        'If this lasts, start more workers, and look at the queue and at how fast the nodes answer.',
        { ...details, lateMs, waitingChecks, workers },
      ),
    ]
  }
  const inS = Math.max(0, Math.ceil(-lateMs / 1_000))
  const attempt = status === 'pending' ? ` It has used ${retryCount} of ${retryLimit} looks.` : ''
  return [
    finding(
      { code: 'queued', severity: 'fine' },
      `Its next look is ${inS === 0 ? 'now' : `in ${inS} s`}.${attempt}`,
      'Nothing is to be done for it.',
      details,
    ),
  ]
}
