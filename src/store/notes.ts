import type { Notes } from '../domain/finality.ts'

/** The columns that a look's notes change; none for most looks, so that waits rewrite no jsonb. */
export function noteColumns({ seen, evidence, absentChecks }: Notes): Record<string, unknown> {
  return {
    ...(absentChecks === null ? {} : { absent_checks: absentChecks }),
    ...(seen ? { seen_sender: seen.sender, seen_nonce: seen.nonce } : {}),
    ...(evidence ? { evidence: JSON.stringify(evidence) } : {}),
  }
}
