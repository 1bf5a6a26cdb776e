/** Why a transaction is where it is. */
export const FINDING_CODES = [
  'settled',
  'queued',
  'queue-behind',
  'not-seen',
  'in-pool',
  'nonce-gap',
  'evicted-soon',
  'evicted',
  'nonce-used',
  'mined-not-final',
  'receipt-final',
  'nodes-lagging',
  'nodes-unavailable',
  'business-write-failing',
  'parked',
  'stalled',
  'expired',
  'nobody-works',
  'no-node-to-ask',
] as const
export type FindingCode = (typeof FINDING_CODES)[number]

/** One thing that was found. */
export interface Finding {
  readonly code: FindingCode
  /** `fine`: as it should be; `waiting`: goes on by itself; `problem`: somebody has to do something. */
  readonly severity: 'fine' | 'waiting' | 'problem'
  /** What was found, in words. */
  readonly text: string
  /** What to try. */
  readonly advice: string
  /** What the words are made of: numbers of blocks, nonces, nodes. */
  readonly details: Readonly<Record<string, unknown>>
}

export const DiagnosisView = {
  type: 'object',
  required: ['id', 'status', 'at', 'findings'],
  properties: {
    id: { type: 'string', format: 'uuid' },
    status: { type: 'string' },
    at: { type: 'string', format: 'date-time' },
    findings: {
      type: 'array',
      description: 'what explains most first; never empty',
      items: {
        type: 'object',
        required: ['code', 'severity', 'text', 'advice', 'details'],
        properties: {
          code: { type: 'string', enum: FINDING_CODES },
          severity: { type: 'string', enum: ['fine', 'waiting', 'problem'] },
          text: { type: 'string' },
          advice: { type: 'string' },
          details: { type: 'object', additionalProperties: true },
        },
      },
    },
  },
} as const
