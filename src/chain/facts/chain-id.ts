import { readNumber } from './fields.ts'

/** Reads the answer to "which chain are you on?". */
export function readChainId(answer: unknown): number {
  return readNumber(answer, 'chain id')
}
