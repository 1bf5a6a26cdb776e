import type { Look, LookOutcome } from '../domain/look.ts'

/** A look as a worker makes it, for tests and benchmarks that need no chain. */
export function aLook(outcome: LookOutcome): Look {
  return {
    at: new Date().toISOString(),
    saw: outcome === 'confirmed' ? 'receipt' : 'absent',
    nodes: ['node.example:8551'],
    headNumber: 101,
    blockNumber: outcome === 'confirmed' ? 100 : null,
    outcome,
    reason: outcome === 'waits' ? 'receipt-absent' : null,
    delayMs: outcome === 'waits' ? 1_000 : null,
    error: null,
  }
}
