import type { Transaction } from '../../../src/domain/transaction.ts'

/** Two chains in one database; their processes share one check queue. */
export const CHAINS = ['kaia', 'kairos'] as const
export type ChainName = (typeof CHAINS)[number]

/** The processes of the histories: each is named by its place here, and serves one chain. */
export const PROCESSES = [
  { role: 'api', chain: 'kaia' },
  { role: 'worker', chain: 'kaia' },
  { role: 'worker', chain: 'kaia' },
  { role: 'worker', chain: 'kairos' },
  { role: 'api', chain: 'kairos' },
] as const satisfies readonly { role: 'api' | 'worker'; chain: ChainName }[]

/** The transactions of the histories, by their place: one hash exists on both chains. */
export const TRANSACTIONS = [
  { chain: 'kaia', txHash: hashOf('aa') },
  { chain: 'kairos', txHash: hashOf('aa') },
  { chain: 'kaia', txHash: hashOf('bb') },
] as const satisfies readonly { chain: ChainName; txHash: string }[]

export function chainOf(process: number): ChainName {
  return processAt(process).chain
}

export function isApi(process: number): boolean {
  return processAt(process).role === 'api'
}

/** The chain of this name; throws if it is none of ours. */
export function chainNamed(name: string): ChainName {
  const found = CHAINS.find((each) => each === name)
  if (!found) throw new Error(`there is no chain ${name}`)
  return found
}

export function transactionAt(place: number): { chain: ChainName; txHash: string } {
  const found = TRANSACTIONS[place]
  if (!found) throw new Error(`there is no transaction ${place}`)
  return found
}

/** The first process of this role that serves the chain. */
export function processOf(role: 'api' | 'worker', chain: ChainName): number {
  return PROCESSES.findIndex((each) => each.role === role && each.chain === chain)
}

/** What rows, messages and tasks are about: a hash on a chain. */
export function subjectOf({ chain, txHash }: Pick<Transaction, 'chain' | 'txHash'>): string {
  return `${chain} ${txHash}`
}

function processAt(process: number): (typeof PROCESSES)[number] {
  const found = PROCESSES[process]
  if (!found) throw new Error(`there is no process ${process}`)
  return found
}

function hashOf(digits: string): string {
  return `0x${digits.repeat(32)}`
}
