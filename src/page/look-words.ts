import type { LookOutcome, Sighting, WaitReason } from '../domain/look.ts'

export const SIGHTING_WORDS: Readonly<Record<Sighting, string>> = {
  receipt: 'a final receipt',
  'receipt-not-final': 'a receipt that is not final yet',
  'in-pool': 'in a node’s pool, in no block yet',
  absent: 'no node knows it',
  'nonce-used': 'no node knows it, and its nonce is used up',
  unavailable: 'no usable answer, which says nothing about it',
}

export const OUTCOME_WORDS: Readonly<Record<LookOutcome, string>> = {
  confirmed: 'confirmed',
  failed: 'failed',
  replaced: 'replaced',
  stalled: 'stalled: the retry limit is reached',
  expired: 'expired',
  waits: 'waits',
  parked: 'parked',
  stays: 'stays as it is',
}

export const RETRY_WORDS: Readonly<Record<WaitReason, string>> = {
  'receipt-absent': 'no receipt yet',
  'not-final': 'receipt not final yet',
  'node-unavailable': 'no node gave a usable answer',
  'handler-failed': 'the business write failed',
}

export function retryWords(reason: string): string {
  return RETRY_WORDS[reason as WaitReason] ?? reason
}
