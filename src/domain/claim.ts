import type { SeenTransaction } from './finality.ts'
import type { Registration } from './registration.ts'

/**
 * How the sender or nonce that a registration claimed differs from what the chain shows; null if it does not. A claim
 * decides nothing, but a wrong one means that the caller watches another transaction than it believes.
 */
export function claimProblem(
  { sender, nonce }: Pick<Registration, 'sender' | 'nonce'>,
  seen: { readonly [K in keyof SeenTransaction]: SeenTransaction[K] | null },
): string | null {
  const differences = [
    ...(sender !== null && seen.sender !== null && sender !== seen.sender
      ? [`from ${sender}, while the chain shows ${seen.sender}`]
      : []),
    ...(nonce !== null && seen.nonce !== null && nonce !== seen.nonce
      ? [`nonce ${nonce}, while the chain shows ${seen.nonce}`]
      : []),
  ]
  return differences.length > 0 ? `the registration claims ${differences.join(', and ')}` : null
}
