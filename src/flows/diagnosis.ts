import { type DiagnosisPolicy, diagnose } from '../domain/diagnose.ts'
import type { Diagnosis, NodeExamination } from '../domain/diagnosis.ts'
import type { Look } from '../domain/look.ts'
import type { SeenProcess } from '../domain/process.ts'
import { isOpen, type Transaction } from '../domain/transaction.ts'

export interface DiagnosisDependencies {
  readonly store: {
    loadWithLooks(id: string): Promise<{ transaction: Transaction; looks: readonly Look[] } | null>
    listProcesses(): Promise<readonly SeenProcess[]>
    countOpen(): Promise<{ readonly overdue: number }>
  }
  /** Null if this process has no node to ask. */
  readonly examine: ((asked: { txHash: string; sender: string | null }) => Promise<NodeExamination[]>) | null
  readonly policy: DiagnosisPolicy
  readonly clock: () => Date
}

/** Why a transaction is where it is; null if there is none with this id. */
export function createDiagnosis({ store, examine, policy, clock }: DiagnosisDependencies) {
  return async (id: string): Promise<Diagnosis | null> => {
    const found = await store.loadWithLooks(id)
    if (!found) return null
    const { transaction, looks } = found
    const { txHash, seen, sender, status } = transaction
    const asked = { txHash, sender: seen?.sender ?? sender }
    const [nodes, processes, { overdue }] = await Promise.all([
      examine && isOpen(status) ? examine(asked) : null,
      store.listProcesses(),
      store.countOpen(),
    ])
    const workers = processes.filter(({ role }) => role !== 'api').length
    const now = clock()
    const findings = diagnose({ transaction, looks, nodes, workers, waitingChecks: overdue }, policy, now)
    return { id, status, at: now.toISOString(), findings }
  }
}
