const OUT_OF_BOUNDS = 'The contract went beyond a limit of the chain’s virtual machine'
const KEY_UPDATE = 'The account’s key could not be changed'

/** What each of Kaia's `txError` codes means for whoever sent the transaction. */
const MEANINGS: Readonly<Record<number, string>> = {
  2: 'The contract’s code did something that is not allowed, such as an invalid instruction or jump. It is most likely an error in the contract, or a call to an address that holds other code.',
  3: `${OUT_OF_BOUNDS}: contracts called each other too deeply, often by recursion.`,
  4: 'A contract was to be created at an address that already has one.',
  5: 'The gas did not suffice to store the code of the new contract. Give it a higher gas limit.',
  6: 'The code of the new contract is larger than the chain allows. Make it smaller or split it.',
  7: 'The gas limit was used up before it was done. Send it again with a higher gas limit.',
  8: 'The contract tried to write within a call that may only read.',
  9: 'The contract itself refused: a require, revert or assert in it did not hold. Its source says which conditions it has.',
  10: `${OUT_OF_BOUNDS}: the computation cost of one transaction. Do less in one transaction.`,
  11: 'An account was to be created at an address that already has one.',
  12: 'It called an address that is not a contract.',
  13: 'It used a human-readable address, which the chain does not support.',
  14: 'The fee ratio of a fee-delegated transaction must be from 1 to 99.',
  15: `${KEY_UPDATE}: an account with AccountKeyFail can’t be updated.`,
  16: `${KEY_UPDATE}: the new key is of another type than the account allows.`,
  17: `${KEY_UPDATE}: AccountKeyNil is not allowed there.`,
  18: `${KEY_UPDATE}: the public key is not a point of the curve.`,
  19: `${KEY_UPDATE}: a key has the weight zero.`,
  20: `${KEY_UPDATE}: the key can’t be serialized.`,
  21: `${KEY_UPDATE}: the same key is there twice.`,
  22: `${KEY_UPDATE}: the weights of its keys are too large together.`,
  23: `${KEY_UPDATE}: its keys together do not reach the threshold.`,
  24: `${KEY_UPDATE}: there is no key in it.`,
  25: `${KEY_UPDATE}: it has more keys than are allowed.`,
  26: `${KEY_UPDATE}: a composite key is within another one.`,
  27: 'A legacy transaction must be signed by an account with a legacy key. Use another type of transaction for this account.',
  28: 'It used a feature that the chain no longer has.',
  29: 'It used something that the chain does not support.',
  30: 'The format of the contract’s code is not valid on this chain.',
}

const REVERTED =
  'The receipt says that it was reverted, not why. A trace of the transaction at a node or a block explorer may show more.'

/** @param code as the node writes it, hexadecimal; null where the chain gives none */
export function failureMeaning(code: string | null): string {
  return (code === null ? undefined : MEANINGS[Number(code)]) ?? REVERTED
}
