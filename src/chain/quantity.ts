const QUANTITY = /^0x[0-9a-f]{1,64}$/i

/** Reads a hexadecimal quantity; throws an Error that names the field. */
export function readQuantity(value: unknown, field: string): bigint {
  if (typeof value !== 'string' || !QUANTITY.test(value)) {
    throw new Error(`it has no usable ${field}: ${JSON.stringify(value)?.slice(0, 80)}`)
  }
  return BigInt(value)
}

/** A quantity that fits a number exactly, such as a block number. */
export function readNumber(value: unknown, field: string): number {
  const number = Number(readQuantity(value, field))
  if (!Number.isSafeInteger(number)) throw new Error(`its ${field} is out of range`)
  return number
}
