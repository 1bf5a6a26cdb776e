/** What confirmd knows the mints as; `handlers.js` has the business write of this kind. */
export const KIND = 'nft-mint'

/** What the page offers to try. The sandbox's hashes are played by the development chain; confirmd's README lists them. */
export const ATTEMPTS = {
  mint: { amount: 1 },
  /** The contract mints 5 at most, and reverts. */
  'over-limit': { amount: 6 },
  /** Waits in the pool until confirmd has seen it there; then another one takes its nonce, as "cancel" in a wallet does. */
  cancelled: { amount: 1, isCancelled: true },
  'sandbox-confirmed': { hashPrefix: '0x5a4d0001' },
  'sandbox-failed': { hashPrefix: '0x5a4d0002' },
  'sandbox-unseen': { hashPrefix: '0x5a4d0003' },
  'sandbox-late': { hashPrefix: '0x5a4d0004' },
}
