import { expect, it } from 'vitest'
import { claimProblem } from '../../src/domain/claim.ts'

const SEEN = { sender: '0xaa', nonce: 4 }

it.each([
  [{ sender: '0xaa', nonce: 4 }, null],
  [{ sender: null, nonce: null }, null],
  [{ sender: '0xbb', nonce: 4 }, /from 0xbb, while the chain shows 0xaa$/],
  [{ sender: '0xaa', nonce: 5 }, /nonce 5, while the chain shows 4$/],
  [{ sender: '0xbb', nonce: 5 }, /from 0xbb.* and nonce 5/],
])('a claim of %o differs from the chain as %s says', (claimed, expected) => {
  const problem = claimProblem(claimed, SEEN)
  if (expected === null) expect(problem).toBeNull()
  else expect(problem).toMatch(expected)
})

it('what the chain does not show contradicts no claim', () => {
  expect(claimProblem({ sender: '0xaa', nonce: 4 }, { sender: null, nonce: null })).toBeNull()
})
