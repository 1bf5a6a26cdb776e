// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The part of a KIP-17 / ERC-721 collection that the example needs: minting, and what it emits.
contract ExampleNft {
    string public constant name = "Example";
    string public constant symbol = "EXM";
    uint256 public constant MAX_PER_MINT = 5;

    address public immutable minter;
    uint256 public totalSupply;
    mapping(uint256 => address) public ownerOf;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

    constructor() {
        minter = msg.sender;
    }

    function mint(address to, uint256 amount) external {
        require(msg.sender == minter, "only the minter mints");
        require(to != address(0), "no recipient");
        require(amount > 0 && amount <= MAX_PER_MINT, "over the limit of one mint");
        for (uint256 count = 0; count < amount; count++) {
            totalSupply += 1;
            ownerOf[totalSupply] = to;
            emit Transfer(address(0), to, totalSupply);
        }
        balanceOf[to] += amount;
    }
}
