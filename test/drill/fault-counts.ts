/** What a node may do wrong, as drill 20 counts it. */
export const NODE_FAULTS = [
  'another transaction or block',
  'another chain',
  'old head',
  'future head',
  'refused batch',
  'failing method',
  'text that cannot be stored',
] as const
export type NodeFault = (typeof NODE_FAULTS)[number]

/** How many answers were wrong, and in which way. */
export interface FaultCounts {
  add(fault: NodeFault, variant: string, answers?: number): void
  total(fault: NodeFault): number
  variants(fault: NodeFault): ReadonlyMap<string, number>
}

export function createFaultCounts(): FaultCounts {
  const counts = new Map<NodeFault, Map<string, number>>(NODE_FAULTS.map((fault) => [fault, new Map()]))
  const variants = (fault: NodeFault) => counts.get(fault) ?? new Map<string, number>()
  return {
    add: (fault, variant, answers = 1) => {
      variants(fault).set(variant, (variants(fault).get(variant) ?? 0) + answers)
    },
    total: (fault) => [...variants(fault).values()].reduce((sum, count) => sum + count, 0),
    variants,
  }
}
