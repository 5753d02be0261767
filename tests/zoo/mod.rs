//! Small networks, each with one thing that pruning must get right.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod attention;
pub mod branches;
pub mod channels;
pub mod computed;
pub mod control;
pub mod fused;
pub mod heads;
pub mod kinds;
pub mod learned;
pub mod positions;
pub mod quantized;
pub mod recurrent;
pub mod sequences;
pub mod settled;
pub mod shaping;
pub mod shared;
pub mod storage;

use onnx_prune::onnx::proto::ModelProto;

/// A network of the zoo, by name.
pub struct Animal {
    pub name: &'static str,
    pub build: fn() -> ModelProto,
}

macro_rules! animals {
    ($($module:ident: $($name:ident)+;)+) => {
        /// All networks that have something to prune and that a runtime can run.
        pub const ALL: &[Animal] = &[
            $($(Animal { name: stringify!($name), build: || $module::$name() },)+)+
        ];
    };
}

animals! {
    channels: chain residual depthwise depthwise_doubled group_conv transposed_conv transposed_depthwise
        flatten_to_gemm squeeze_excite divided instance_norm group_norm pixel_shuffle space_to_depth
        group_norm_across_parts spelled_norm_across_parts;
    branches: concat_split dense_block channel_shuffle padded_shortcut shared_zero_bias slice_of_channels
        shared_conv grouped_after_concat;
    attention: fused_qkv separate_qkv grouped_query rotary rotary_pairs tied_embedding layer_norm
        transposed_after_norm decomposed_layer_norm softmax_bins scale_from_shape einsum_attention interleaved
        experts_by_token;
    heads: one_key_for_all cross_attention talking_heads window_attention relative_bias attention_op
        attention_op_grouped attention_op_cached rotary_op rotary_op_in_part;
    fused: multi_head multi_head_cross group_query group_query_packed packed_attention skip_norm
        skip_simplified_norm embed_norm fused_conv fused_dense experts experts_interleaved;
    kinds: gated_layers normed_convolutions spatial_attention multi_query normed_heads single_head mixture
        einsum_mixture sums_of_one_input projected_shortcut;
    learned: standardized;
    shaping: run_time_sizes half_open_shape shape_from_channels old_attributes new_operands dense_input squeezed tiled
        gathered_range if_captures truth_of_a_size;
    settled: counted_positions counted_to_a_size counted_channels assigned_rows written_by_index padded_by_arithmetic one_group_norm
        copies_by_one_hot computed_weight;
    storage: weights_as_constants weights_transposed weights_cast_from_half weights_through_identity
        initializers_as_inputs decorated dequantized called_functions;
    recurrent: lstm gru gru_reset_after rnn stacked_bidirectional both_last_states states_handed_on all_optional;
    quantized: pairs_per_channel pairs_per_tensor whole_numbers dynamic dynamic_windows blocks_of_four dynamic_fused cast_weights
        cast_scaled_after dynamic_lstm packed_blocks;
    positions: running_sum triangle largest backwards masked middle sampled regions picked_rows columns_to_image
        deformed unpooled unpooled_to_open_sizes unpooled_to_a_size;
    sequences: parts_by_size equal_parts filled_by_rounds;
    shared: siamese pyramid_head recursive two_streams shared_cast shared_transposed shared_gathered shared_identity
        shared_dequantized shared_in_parts shared_in_branches twins merged_zeros;
    computed: weight_normed weight_normed_twice spectral_normed standardised standardised_as_batch scaled reordered low_rank_added
        low_rank normed_halves normed_and_plain;
    control: branches branch_with_shapes weight_of_a_branch weight_of_either_branch never_taken rounds scanned growing handed_on scanned_with_weights;
}
