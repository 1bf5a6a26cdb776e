/**
 * Kaia's `txError` codes of failed receipts.
 * Source: Kaia documentation, "Transaction error codes" (`txError` of klay_getTransactionReceipt).
 */
const TX_ERROR_NAMES: Readonly<Record<number, string>> = {
  2: 'VM error while running the contract',
  3: 'max call depth exceeded',
  4: 'contract address collision',
  5: 'contract creation code storage out of gas',
  6: 'max code size exceeded',
  7: 'out of gas',
  8: 'write protection',
  9: 'execution reverted',
  10: 'computation cost limit reached',
  11: 'account already exists',
  12: 'not a program account',
  13: 'human-readable address not supported',
  14: 'fee ratio out of [1, 99]',
  15: 'AccountKeyFail is not updatable',
  16: 'different account key type',
  17: 'AccountKeyNil not allowed',
  18: 'public key is not on the curve',
  19: 'key weight is zero',
  20: 'key is not serializable',
  21: 'duplicated key',
  22: 'weighted sum overflow',
  23: 'unsatisfiable threshold',
  24: 'key length is zero',
  25: 'key length too long',
  26: 'nested composite type',
  27: 'legacy transaction must be with a legacy key',
  28: 'deprecated feature',
  29: 'not supported',
  30: 'smart contract code format invalid',
}

/** The meaning of a `txError` (hexadecimal, as the node writes it). */
export function txErrorName(txError: string | null): string {
  if (txError === null) return 'reverted'
  const code = Number(txError)
  return TX_ERROR_NAMES[code] ?? `unknown txError ${txError}`
}
