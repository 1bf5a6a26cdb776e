import type { FromSchema } from 'json-schema-to-ts'
import { TRANSACTION_STATUSES } from './transaction.ts'

/** Why a transaction is where it is. */
export const FINDING_CODES = [
  ...['claim-differs', 'settled', 'parked', 'business-write-failing', 'stalled', 'expired', 'nobody-works'],
  ...['receipt-final', 'mined-not-final', 'in-pool', 'nonce-gap', 'evicted-soon', 'nonce-used'],
  ...['evicted', 'not-seen', 'nodes-unavailable', 'nodes-lagging', 'no-node-to-ask'],
  ...['queue-behind', 'queued'],
] as const

/** `fine`: as it should be; `waiting`: goes on by itself; `problem`: somebody has to do something. */
const SEVERITIES = ['fine', 'waiting', 'problem'] as const

export const DiagnosisView = {
  type: 'object',
  required: ['id', 'status', 'at', 'findings'],
  properties: {
    id: { type: 'string', format: 'uuid' },
    status: { type: 'string', enum: TRANSACTION_STATUSES },
    at: { type: 'string', format: 'date-time' },
    findings: {
      type: 'array',
      description: 'what explains most first; never empty',
      items: {
        type: 'object',
        required: ['code', 'severity', 'text', 'advice', 'details'],
        properties: {
          code: { type: 'string', enum: FINDING_CODES },
          severity: { type: 'string', enum: SEVERITIES },
          text: { type: 'string', description: 'what was found' },
          advice: { type: 'string', description: 'what to try' },
          details: {
            type: 'object',
            additionalProperties: true,
            description: 'what the words are made of: blocks, nonces, nodes',
          },
        },
      },
    },
  },
} as const

export type Diagnosis = FromSchema<typeof DiagnosisView>
export type Finding = Diagnosis['findings'][number]

/** What one node says of a transaction, asked for a diagnosis. */
export interface NodeExamination {
  readonly node: string
  /** Why it is not to be believed: it failed, lags or is on another chain. Then the rest says nothing. */
  readonly problem: string | null
  readonly isBehind: boolean
  readonly headNumber: number | null
  /** Of the receipt. */
  readonly blockNumber: number | null
  /** In its pool, or in a block that has no receipt yet. */
  readonly known: { readonly sender: string; readonly nonce: number } | null
  /** The sender's next nonce at the head, where the sender is known. */
  readonly nextNonce: number | null
}
