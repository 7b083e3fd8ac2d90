//! What holds on a card; where none can be opened, nothing is tested.
