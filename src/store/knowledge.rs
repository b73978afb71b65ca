//! Documents and passages. Written by `balcao-retrieval`'s author beside the search functions.
